//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"containerkit/lessons/exercise"
)

func watchCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{
		Use: "watch [STAGE/EXERCISE]", Short: "show the exercises one by one, and check whenever you save", Args: cobra.MaximumNArgs(1),
		Long: "Shows an exercise, and checks it each time you save its file: keep an editor open\n" +
			"in another window. Keys: h hint, n next, l list, r reset, s solution, q quit.\n" +
			"Your code is never overwritten without a copy in " + exercise.Room + "/copies.",
	}, func(c *cobra.Command, root string, progress exercise.Progress, args []string) error {
		e, err := one(args, progress)
		if err != nil {
			return err
		}
		if !term.IsTerminal(0) || !term.IsTerminal(1) {
			return failure{errors.New("watch needs a terminal for its keys; to check without one: go run ./lessons check")}
		}
		w := &watcher{root: root, progress: progress, saved: maps.Clone(progress), current: e}
		if err := w.run(c.Context()); err != nil {
			return ending(err)
		}
		return nil
	})
}

// lookEvery is the interval at which the file is checked. A stat(2) costs nothing, and sees what
// inotify misses: network file systems, a virtual machine's shared directory, an overlay's lower
// layer, and editors that replace the file.
const lookEvery = 200 * time.Millisecond

// A watcher is the state of the loop. Only the loop uses it.
type watcher struct {
	root     string
	progress exercise.Progress
	saved    exercise.Progress // the content of the progress file when it was last read
	current  exercise.Exercise

	seen     fingerprint    // of the file when it was last checked
	cancel   func()         // stops the running check
	running  sync.WaitGroup // the running check, and those that were stopped
	checking bool
	since    time.Time // start of the running check
	result   *exercise.Result
	trouble  error  // why there is no result
	said     string // the answer to the last key
	list     bool   // the list is shown
	asked    byte   // a key that must be pressed twice
	wanted   bool   // a hint was requested during a check
}

// A fingerprint changes when a file does: an editor may write to it or replace it.
type fingerprint struct {
	inode, size int64
	changed     time.Time
}

func (w *watcher) look() fingerprint {
	info, err := os.Stat(filepath.Join(w.root, w.current.File))
	if err != nil {
		return fingerprint{}
	}
	f := fingerprint{size: info.Size(), changed: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.inode = int64(st.Ino)
	}
	return f
}

// A checked1 is what a check sends back to the loop.
type checked1 struct {
	result exercise.Result
	err    error
}

func (w *watcher) run(ctx context.Context) (err error) {
	before, err := term.MakeRaw(0)
	if err != nil {
		return err
	}
	// The alternate screen of xterm, which tmux also has: the old screen comes back, also after a
	// panic.
	fmt.Print("\x1b[?1049h\x1b[?25l")
	defer func() {
		fmt.Print("\x1b[?25h\x1b[?1049l")
		_ = term.Restore(0, before)
	}()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, append(stopping(), syscall.SIGWINCH)...)
	defer signal.Stop(signals)
	keys := make(chan byte)
	go func() {
		buf := make([]byte, 1)
		for {
			if n, err := os.Stdin.Read(buf); n == 0 || err != nil {
				close(keys)
				return
			}
			keys <- buf[0]
		}
	}()
	results := make(chan checked1, 1)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	w.check(ctx, results)
	defer w.end(results)
	for {
		w.draw()
		select {
		case s := <-signals:
			if s != syscall.SIGWINCH {
				return stoppedBy(s.(syscall.Signal))
			}
		case <-tick.C:
			if w.look() == w.seen {
				continue
			}
			if w.asked == 0 {
				w.said = ""
			}
			w.check(ctx, results)
		case r := <-results:
			if errors.Is(r.err, context.Canceled) {
				continue // a newer one is running
			}
			w.checking, w.trouble, w.result = false, r.err, nil
			if r.err == nil {
				w.result = &r.result
				w.progress.Note(r.result, time.Now())
				w.save()
			}
			if w.wanted {
				w.wanted, w.said = false, w.hint()
			}
		case key, ok := <-keys:
			if !ok || key == 'q' || key == 3 || key == 4 { // Ctrl-C and Ctrl-D, which raw mode does not turn into signals
				return nil
			}
			w.press(ctx, key, results)
		}
	}
}

// check starts a check, and stops the running one.
func (w *watcher) check(ctx context.Context, results chan<- checked1) {
	if w.cancel != nil {
		w.cancel()
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.seen, w.checking, w.since = w.look(), true, time.Now()
	e := w.current
	w.running.Go(func() {
		r, err := exercise.Check(ctx, w.root, e)
		if ctx.Err() != nil {
			err = context.Canceled
		}
		results <- checked1{r, err}
	})
}

// end stops the running check, and waits until none of its goroutines are left.
func (w *watcher) end(results <-chan checked1) {
	w.cancel()
	go func() {
		for range results { // for checks that wait to send one
		}
	}()
	w.running.Wait()
}

// turnTo makes another exercise the current one.
func (w *watcher) turnTo(ctx context.Context, e exercise.Exercise, results chan<- checked1) {
	w.current, w.result, w.trouble, w.said, w.wanted = e, nil, nil, "", false
	w.check(ctx, results)
}

func (w *watcher) press(ctx context.Context, key byte, results chan<- checked1) {
	w.save()
	again := key == w.asked
	w.asked = 0
	if key != 'l' {
		w.list = false
	}
	switch key {
	case 'l':
		w.list = !w.list
	case 'n':
		if e, ok := w.next(); ok {
			w.turnTo(ctx, e, results)
		} else {
			w.said = "All are solved. Run your own container: go run -tags mine ./05-full"
		}
	case 'h':
		w.said = w.hint()
	case 'r':
		if !again {
			w.asked, w.said = 'r', "Start this exercise over? Press r again. (Your version is kept in "+exercise.Room+"/copies.)"
			return
		}
		stub, err := exercise.Shipped(w.root, w.current)
		w.said = w.put(stub, err)
		delete(w.progress, w.current.ID())
		w.check(ctx, results) // the change is ours, not the learner's
	case 's':
		record := w.progress[w.current.ID()]
		if record.Solved.IsZero() && !again {
			w.asked, w.said = 's', "It is not solved yet. To see our solution anyway, press s again; h gives a hint."
			return
		}
		if record.Solved.IsZero() {
			record.Peeked = true
			w.progress[w.current.ID()] = record
		}
		w.said = "Our solution is in " + w.current.Reference() + "\n" + w.solution()
	default:
		w.said = ""
		w.check(ctx, results) // any other key checks again
	}
	w.save()
}

// save writes the progress, and merges what was checked in another window.
func (w *watcher) save() {
	if err := w.progress.Save(w.root, w.saved); err != nil {
		w.trouble = err
	}
}

// next returns the first unsolved exercise after the current one, or before it.
func (w *watcher) next() (exercise.Exercise, bool) {
	all := exercise.All()
	at := 0
	for i, e := range all {
		if e.ID() == w.current.ID() {
			at = i
		}
	}
	for i := range all {
		if e := all[(at+1+i)%len(all)]; w.progress[e.ID()].Solved.IsZero() && e.ID() != w.current.ID() {
			return e, true
		}
	}
	return exercise.Exercise{}, false
}

func (w *watcher) hint() string {
	switch {
	case w.checking:
		w.wanted = true
		return "A hint follows when the check is done."
	case w.result == nil:
		return ""
	}
	return "Hint: " + exercise.HintFor(*w.result, w.progress)
}

func (w *watcher) put(text []byte, err error) string {
	var kept string
	if err == nil {
		kept, err = exercise.Put(w.root, w.current, text, time.Now())
	}
	switch {
	case err != nil:
		return err.Error()
	case kept != "":
		return "Wrote " + w.current.File + "; your old version is kept in " + kept
	}
	return w.current.File + " is already as it was shipped."
}

// solution returns the body of the reference, without the comments at its top.
func (w *watcher) solution() string {
	raw, err := os.ReadFile(filepath.Join(w.root, w.current.Reference()))
	if err != nil {
		return err.Error()
	}
	text := string(raw)
	if i := strings.Index(text, "\nfunc "); i >= 0 {
		text = text[i+1:]
	}
	return strings.ReplaceAll(text, "\t", "    ")
}

// draw shows everything from the top of the screen, in at most as many lines as it has.
func (w *watcher) draw() {
	width, height, err := term.GetSize(1)
	if err != nil || width < 20 || height < 5 {
		width, height = 80, 24
	}
	columns = width
	var b bytes.Buffer
	all := exercise.All()
	solved := 0
	for _, e := range all {
		if !w.progress[e.ID()].Solved.IsZero() {
			solved++
		}
	}
	const bar = 30
	full := solved * bar / max(1, len(all))
	fmt.Fprintf(&b, "[%s%s] %d of %d\n\n", strings.Repeat("#", full), strings.Repeat("-", bar-full), solved, len(all))
	if w.list {
		w.drawList(&b, all, height-4)
	} else {
		w.drawCurrent(&b)
	}
	footer := "h hint  n next  l list  r reset  s solution  q quit"
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if room := height - 2; len(lines) > room {
		lines = append(lines[:room-1], "… (more than fits: enlarge the window)")
	}
	fmt.Print("\x1b[H") // to the top; every line erases the old one, so nothing flickers
	for i := range height - 1 {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		fmt.Print(cutTo(line, width) + "\x1b[K\r\n")
	}
	fmt.Print(cutTo(footer, width) + "\x1b[K")
}

func (w *watcher) drawCurrent(b *bytes.Buffer) {
	e := w.current
	switch {
	case w.trouble != nil:
		fill(b, "", w.trouble.Error())
	case w.result != nil:
		tell(b, *w.result, true)
	default:
		fill(b, fmt.Sprintf("… %-24s ", e.ID()), e.Title)
	}
	if w.checking {
		fmt.Fprintln(b, w.working())
	}
	if w.said != "" {
		fmt.Fprintln(b)
		for i, line := range strings.Split(w.said, "\n") {
			if i == 0 {
				fill(b, "", line)
			} else {
				fmt.Fprintln(b, line)
			}
		}
	}
}

// working says that a check is running, and why it can take long.
func (w *watcher) working() string {
	switch took := time.Since(w.since).Truncate(time.Second); {
	case took >= 10*time.Second:
		return fmt.Sprintf("checking… %v. The first check of a package compiles it and its tests; later ones\nare quick.", took)
	case took >= 2*time.Second:
		return fmt.Sprintf("checking… %v", took)
	}
	return "checking…"
}

// drawList shows as many exercises around the current one as fit, and the number of the others.
func (w *watcher) drawList(b *bytes.Buffer, all []exercise.Exercise, room int) {
	at := 0
	for i, e := range all {
		if e.ID() == w.current.ID() {
			at = i
		}
	}
	from := max(0, min(at-room/2, len(all)-room))
	for i, e := range all {
		if i < from || i >= from+room {
			continue
		}
		if first := i == from && i > 0; room > 4 && (first || i == from+room-1 && i < len(all)-1) {
			more := len(all) - i
			if first {
				more = i + 1
			}
			fmt.Fprintf(b, "    … %d more\n", more)
			continue
		}
		mark, here := " ", " "
		if record, ok := w.progress[e.ID()]; ok {
			mark = marks[record.Last]
			if !record.Solved.IsZero() {
				mark = marks[exercise.Solved]
			}
		}
		if i == at {
			here = ">"
		}
		fmt.Fprintf(b, "%s %s %-24s %s\n", here, mark, e.ID(), e.Title)
	}
}
