//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/05-full/container"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

func terminal(n *narrate.Narrator) error {
	n.Question("Why does a shell in a container need a terminal of its own?")
	const ask = "tty; stty size 2>/dev/null || echo no size"
	without, _, err := run(ask, nil)
	if err != nil {
		return err
	}
	without = strings.ReplaceAll(without, "\n", ", ")
	n.OldBefore("tty and stty in a container whose standard input and output are none", narrate.Data{"said": without})
	n.Note("lending it our own terminal would lend it more than a screen: with ioctl(TIOCSTI) a program could type commands into the shell that started the container, where the kernel still lets it (since Linux 6.2: dev.tty.legacy_tiocsti).")
	n.Do(narrate.Call{
		Text: "open a pair in the container's own devpts, give the inner end to the command as its controlling terminal, and keep the outer end",
		Go:   "container.Config{Terminal: true, Size: …}", OldSys: `open("/dev/pts/ptmx"), setsid(), ioctl(TIOCSCTTY)`,
		Man: "pts(4), ioctl_tty(2)", Hand: "script -qc 'tty; stty size' /dev/null", At: (*container.Container).Relay})

	said := without
	goesOn, err := typeCtrlC(false, nil)
	if err != nil {
		return err
	}
	interrupted := goesOn
	if !n.Without {
		if interrupted, err = typeCtrlC(true, func(lines string) {
			said = lines
			n.OldEvidence("tty and stty inside", said)
		}); err != nil {
			return err
		}
	}
	n.OldProof("it is a terminal, number 0 of its own devpts, as large as it was told", said == "/dev/pts/0, 33 77", said, without)
	n.OldProof("Ctrl-C, the byte 3, ends the command inside (128 + 2, SIGINT), and not us", interrupted == "exit status 130", interrupted, goesOn)
	n.ByHand("script -qc 'tty; stty size' /dev/null </dev/null")
	n.Clean("the container has ended, its terminal with it")
	return nil
}

// typeCtrlC writes the byte 3 to the standard input of a command and tells what becomes of the command. What a
// terminal makes of that byte is its line discipline's work: SIGINT for the foreground process group (termios(3)).
func typeCtrlC(terminal bool, told func(lines string)) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer w.Close()
	c := options.Config
	c.Args, c.Stdin = []string{"/bin/sh", "-c", "tty; stty size; echo ready; exec sleep 3600"}, r
	c.Terminal, c.Size = terminal, unix.Winsize{Row: 33, Col: 77}
	c.Resources, _ = options.limits()
	ct, err := container.Start(c)
	r.Close()
	if err != nil {
		return "", err
	}
	defer stage.OnInterrupt(func() { _ = ct.Close() })()
	defer ct.Close()
	payload, err := commandOf(ct)
	if err != nil {
		return "", err
	}
	defer payload.Close()
	// A shell keeps an interrupt for itself that reaches it while it starts a program: sleep keeps none.
	if err := becomes(payload.PID, "sleep"); err != nil {
		return "", err
	}
	if !terminal {
		if _, err := w.Write([]byte{3}); err != nil {
			return "", err
		}
		time.Sleep(300 * time.Millisecond)
		if alive(payload) {
			return "it goes on", nil
		}
		return "it ended", nil
	}
	lines, err := readUntil(ct.Terminal, "ready")
	if err != nil {
		return "", err
	}
	told(lines)
	if _, err := ct.Terminal.Write([]byte{3}); err != nil {
		return "", err
	}
	status, err := ct.Wait()
	return fmt.Sprintf("exit status %d", status), err
}

// readUntil reads lines of a terminal until one is the given word, and returns those before it in one.
func readUntil(terminal *os.File, word string) (string, error) {
	done := time.AfterFunc(20*time.Second, func() { terminal.Close() })
	defer done.Stop()
	var lines []string
	in := bufio.NewReader(terminal)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line = strings.TrimSpace(line); line == word {
			return strings.Join(lines, ", "), nil
		}
		lines = append(lines, line)
	}
}
