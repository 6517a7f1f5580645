//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/exercise"
)

// A screen is a terminal of 80 columns and 24 lines, emulated by tmux, in which a program of the
// course runs.
type screen struct {
	t      *testing.T
	socket string
}

func newScreen(t *testing.T, dir string, env []string, command string) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: apt install tmux, dnf install tmux, pacman -S tmux, apk add tmux")
	}
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	args := []string{"new-session", "-d", "-x", "80", "-y", "24", "-c", dir}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	s.tmux(append(args, command)...)
	s.tmux("set-option", "-g", "remain-on-exit", "on")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket, "-f", "/dev/null"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm")
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "tmux %v: %s", args, out)
	return string(out)
}

func (s *screen) keys(keys ...string) { s.tmux(append([]string{"send-keys"}, keys...)...) }

// shows waits until all of this is on the screen.
func (s *screen) shows(texts ...string) {
	s.t.Helper()
	var now string
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		now = s.tmux("capture-pane", "-p")
		missing := 0
		for _, text := range texts {
			if !strings.Contains(strings.Join(strings.Fields(now), " "), text) {
				missing++
			}
		}
		if missing == 0 {
			for line := range strings.Lines(now) {
				require.LessOrEqual(s.t, len([]rune(strings.TrimRight(line, "\n"))), 80)
			}
			return
		}
	}
	require.Fail(s.t, "the screen does not show it", "want %q, the screen is\n%s", texts, now)
}

// lacks checks that the text is not on the screen.
func (s *screen) lacks(text string) {
	s.t.Helper()
	require.NotContains(s.t, strings.Join(strings.Fields(s.tmux("capture-pane", "-p")), " "), text)
}

// ends waits until the program has exited.
func (s *screen) ends() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_dead}")) == "1"
	}, 30*time.Second, 100*time.Millisecond)
}

// TestWatch plays a learner's session: read the task, make a mistake, save, get a hint, solve,
// continue, list, start over, quit.
func TestWatch(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	kit := t.TempDir()
	require.NoError(t, exercise.Copy("..", kit))
	require.NoError(t, exercise.Pristine(kit))
	list, err := exercise.Find("02-namespaces/hostname")
	require.NoError(t, err)
	e := list[0]
	mine := filepath.Join(kit, e.File)
	reference, err := os.ReadFile(filepath.Join(kit, e.Reference()))
	require.NoError(t, err)
	cases, err := exercise.WrongSolutions(kit, e)
	require.NoError(t, err)

	s := newScreen(t, kit, []string{lessonsEnv + "=watch " + e.ID(), "NO_COLOR=1"}, program)
	s.shows("0 of", e.ID(), "write "+e.File, "h hint n next")

	// A mistake, saved as editors do: a new file replaces the old one.
	wrong := cases[0]
	require.NoError(t, os.WriteFile(mine+".new", wrong.Text, 0o644))
	require.NoError(t, os.Rename(mine+".new", mine))
	s.shows("✗ "+e.ID(), "claim", "expected", "got", "read from", "→")
	s.keys("h")
	s.shows("Hint:")
	s.lacks("go run ./lessons hint") // watch has a key for it

	// A check in another window: its notes are not lost, and the list shows its result.
	other, err := exercise.LoadProgress(kit)
	require.NoError(t, err)
	before := maps.Clone(other)
	other["01-cgroups/limit"] = exercise.Record{Tries: 1, Solved: time.Now().UTC(), Last: exercise.Solved}
	require.NoError(t, other.Save(kit, before))
	s.keys("l")
	s.shows("✓ 01-cgroups/limit", "1 of", "more")
	s.keys("l")

	// Code that does not compile.
	require.NoError(t, os.WriteFile(mine, []byte("//go:build linux && mine\n\npackage namespace\n\nfunc SetHostname(string) error { return nothing }\n"), 0o644))
	s.shows("it does not compile", "undefined: nothing")

	s.keys("s")
	s.shows("press s again")
	s.keys("s")
	s.shows("Our solution is in " + e.Reference())

	require.NoError(t, os.WriteFile(mine, exercise.Solution(reference), 0o644))
	s.shows("✓ "+e.ID(), "2 of", "see it work")
	s.keys("n")
	s.shows("02-namespaces/private", "write ")
	s.keys("l")
	s.shows("> ", "✓ "+e.ID())
	s.tmux("resize-window", "-x", "60", "-y", "15")
	s.shows("> ", "q quit")
	s.tmux("resize-window", "-x", "80", "-y", "24")

	// Start another exercise, and start it over: nothing is lost.
	next := filepath.Join(kit, "02-namespaces/namespace/private_mine.go")
	old, err := os.ReadFile(next)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(next, append(old, "// my thoughts\n"...), 0o644))
	s.keys("r")
	s.shows("Press r again")
	s.keys("r")
	s.shows("your old version is kept in .mine/copies")
	now, err := os.ReadFile(next)
	require.NoError(t, err)
	require.Equal(t, string(old), string(now))
	kept, err := filepath.Glob(filepath.Join(kit, ".mine/copies/*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	copied, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.Contains(t, string(copied), "// my thoughts")

	s.keys("q")
	s.ends()
	progress, err := exercise.LoadProgress(kit)
	require.NoError(t, err)
	require.False(t, progress["01-cgroups/limit"].Solved.IsZero())
	require.False(t, progress[e.ID()].Solved.IsZero())
	require.True(t, progress[e.ID()].Peeked)
	require.GreaterOrEqual(t, progress[e.ID()].Tries, 2)
}

// TestWatchSeesWithoutInotify checks that a change is noticed where inotify reports none: in an
// overlay's lower layer, as on a virtual machine's shared directory or a network file system.
func TestWatchSeesWithoutInotify(t *testing.T) {
	kit := t.TempDir()
	require.NoError(t, exercise.Copy("..", kit))
	require.NoError(t, exercise.Pristine(kit))
	program, err := os.Executable()
	require.NoError(t, err)
	list, err := exercise.Find("02-namespaces/hostname")
	require.NoError(t, err)
	e := list[0]
	// unshare(1) gives an ordinary user root, too. The overlay disappears with the program.
	room := t.TempDir()
	for _, dir := range []string{"merged", "upper", "work"} {
		require.NoError(t, os.Mkdir(filepath.Join(room, dir), 0o755))
	}
	mount := fmt.Sprintf("mount -t overlay overlay -o userxattr,lowerdir=%s,upperdir=%s/upper,workdir=%s/work %s/merged", kit, room, room, room)
	if out, err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount).CombinedOutput(); err != nil {
		t.Skipf("no overlay in a user namespace here: %s", out)
	}
	script := fmt.Sprintf("%s && cd %s/merged && exec %s", mount, room, program)
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(room, "work/work"), 0o755) }) // overlayfs creates it with mode 000
	s := newScreen(t, kit, []string{lessonsEnv + "=watch " + e.ID()}, "unshare --user --map-root-user --mount sh -c '"+script+"'")
	s.shows(e.ID(), "write "+e.File)
	require.NoError(t, os.WriteFile(filepath.Join(kit, e.File), []byte("//go:build linux && mine\n\npackage namespace\n\nfunc SetHostname(string) error { return nothing }\n"), 0o644))
	s.shows("it does not compile")
	s.keys("q")
	s.ends()
}

func TestWatchNeedsATerminal(t *testing.T) {
	status, _, errs := lessons("watch")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "needs a terminal")
}
