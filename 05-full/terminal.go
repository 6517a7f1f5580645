//go:build linux

package main

import (
	"bufio"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/05-full/container"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

func terminal(n *narrate.Narrator) error {
	n.Question("What does docker run -t give your shell?")
	n.Idea("A terminal is a pair of devices. The driver between them turns Ctrl-C into SIGINT and " +
		"knows the size of the screen. With your own terminal, a container could type commands " +
		"into your shell (TIOCSTI).")
	without, err := typeCtrlC(false)
	if err != nil {
		return err
	}
	n.Control("Without a terminal: standard input is a pipe", without.rows()...)
	n.Do(narrate.Call{
		Text: "Open a pair in the container's own /dev/pts, and give the command one end",
		Sys: [][2]string{{`openat(…, "/dev/pts/ptmx")`, "a new pair; this end stays outside"},
			{"setsid()", "a new session, without a terminal"},
			{"ioctl(TIOCSCTTY)", "the other end is the session's terminal"}},
		Go: "container.Config{Terminal: true, Size: …}", Man: "pts(4), ioctl_tty(2)",
		Hand: "script -qc 'tty; stty size' /dev/null", At: (*container.Container).Relay,
		Without: "Start the command without a terminal again",
	})
	with := without
	if !n.Without {
		if with, err = typeCtrlC(true); err != nil {
			return err
		}
	}
	compare := func(label, value, was string) narrate.Row {
		return narrate.Compare(label, value, "no terminal", was)
	}
	n.Proof("The command has its own terminal, of the size that we set",
		with.tty == "/dev/pts/0" && with.size == "33 rows, 77 columns",
		compare("tty", with.tty, without.tty), compare("size", with.size, without.size))
	rows := []narrate.Row{compare("sleep after Ctrl-C", with.sleep, without.sleep)}
	if !n.Without {
		rows = append(rows, narrate.Show("exit status", with.status, "128 + 2 (SIGINT)"))
	}
	n.Proof("Ctrl-C on that terminal interrupts the command",
		with.sleep == present(false) && with.status == 128+int(unix.SIGINT), rows...)
	n.Why("without docker run -t, a shell has no prompt and no job control, " +
		"and Ctrl-C goes to the docker client.")
	n.WithDocker("docker run -t …", "script -qc 'tty; stty size' /dev/null </dev/null")
	n.Clean("The containers have exited, and the terminal is gone.")
	return nil
}

// ask says what terminal the command has, and stays.
const ask = `tty
size=$(stty size 2>/dev/null) && echo ${size% *} rows, ${size#* } columns || echo unknown
echo ready; exec sleep 3600`

// typed is what a command says of its terminal, and what Ctrl-C does to it.
type typed struct {
	tty, size, sleep string
	status           int
}

func (t typed) rows() []narrate.Row {
	return []narrate.Row{narrate.Show("tty", t.tty), narrate.Show("size", t.size),
		narrate.Show("sleep after Ctrl-C", t.sleep)}
}

// typeCtrlC writes Ctrl-C, the byte 3, to the standard input of a command. On a terminal, the line
// discipline sends SIGINT to the foreground process group instead (termios(3)).
func typeCtrlC(terminal bool) (t typed, err error) {
	in, out, c, err := typist(terminal)
	if err != nil {
		return t, err
	}
	ct, err := container.Start(c)
	for _, f := range []*os.File{c.Stdin, c.Stdout} {
		_ = f.Close()
	}
	defer in.Close()
	defer out.Close()
	if err != nil {
		return t, err
	}
	defer stage.OnInterrupt(func() { _ = ct.Close() })()
	defer ct.Close()
	if terminal {
		in, out = ct.Terminal, ct.Terminal
	}
	command, err := commandOf(ct)
	if err != nil {
		return t, err
	}
	defer command.Close()
	// A shell that starts a program keeps an interrupt for itself; sleep does not.
	if err := becomes(command.PID, "sleep"); err != nil {
		return t, err
	}
	if t.tty, t.size, err = readUntil(out, "ready"); err != nil {
		return t, err
	}
	if _, err := in.Write([]byte{3}); err != nil {
		return t, err
	}
	if terminal {
		t.status, err = ct.Wait()
	} else {
		time.Sleep(300 * time.Millisecond)
	}
	t.sleep = present(alive(command))
	return t, err
}

// typist returns the configuration of a command that says what terminal it has, and our ends of its
// standard input and output. With a terminal the command does not use them.
func typist(terminal bool) (in, out *os.File, c container.Config, err error) {
	c = withLimits(options.Config)
	c.Args = []string{"/bin/sh", "-c", ask}
	c.Terminal, c.Size = terminal, unix.Winsize{Row: 33, Col: 77}
	if c.Stdin, in, err = os.Pipe(); err != nil {
		return nil, nil, c, err
	}
	if out, c.Stdout, err = os.Pipe(); err != nil {
		c.Stdin.Close()
		in.Close()
	}
	return in, out, c, err
}

// readUntil reads lines until one is the given word, and returns the two lines before it.
func readUntil(f *os.File, word string) (first, second string, err error) {
	done := time.AfterFunc(20*time.Second, func() { f.Close() })
	defer done.Stop()
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		if line = strings.TrimSpace(line); line == word {
			return first, second, nil
		}
		first, second = second, line
	}
}
