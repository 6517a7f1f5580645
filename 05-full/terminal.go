//go:build linux

package main

import (
	"bufio"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/05-full/container"
	"containerkit/lessons/narrate"
	"containerkit/lessons/stage"
)

func terminal(n *narrate.Narrator) error {
	n.Question("Why does a shell in a container need a terminal of its own?")
	const ask = "tty; stty size 2>&1"
	without, _, err := run(ask, nil)
	if err != nil {
		return err
	}
	without = strings.ReplaceAll(without, "\n", ", ")
	n.Before("tty and stty in a container whose standard output is a pipe", narrate.Data{"said": without})
	n.Note("lending it our own terminal would lend it more than a screen: with ioctl(TIOCSTI) a program could type commands into the shell that started the container.")
	n.Do(narrate.Call{
		Text: "open a pair in the container's own devpts, give the inner end to the command as its controlling terminal, and pass the outer end out through a socket",
		Go:   "container.Config{Terminal: true, Size: …}", Sys: `open("/dev/pts/ptmx"), setsid(), ioctl(TIOCSCTTY), sendmsg(SCM_RIGHTS)`,
		Man: "pts(4), ioctl_tty(2), unix(7)", Hand: "script -qc 'tty; stty size' /dev/null", At: (*container.Container).Relay})

	said, interrupted := without, "not sent"
	if !n.Without {
		c := options.Config
		c.Args, c.Terminal, c.Size = []string{"/bin/sh", "-c", ask + "; echo ready; sleep 30"}, true, unix.Winsize{Row: 33, Col: 77}
		ct, err := container.Start(c0(c))
		if err != nil {
			return err
		}
		defer stage.OnInterrupt(func() { _ = ct.Close() })()
		defer ct.Close()
		if said, err = readUntil(ct.Terminal, "ready"); err != nil {
			return err
		}
		n.Evidence("tty and stty inside", said)
		// What a terminal does with Ctrl-C is its line discipline's work: the byte 3 becomes SIGINT for the
		// foreground process group.
		if _, err := ct.Terminal.Write([]byte{3}); err != nil {
			return err
		}
		status, err := ct.Wait()
		if err != nil {
			return err
		}
		interrupted = "ended"
		n.Evidence("exit status after the byte 3 was typed: 128 + 2, SIGINT", status)
	}
	n.Proof("it is a terminal, number 0 of its own devpts, as large as it was told", said == "/dev/pts/0, 33 77", said, without)
	n.Proof("Ctrl-C ends the command inside, not us", interrupted == "ended", interrupted, "not sent")
	n.ByHand("script -qc 'tty; stty size' /dev/null </dev/null")
	n.Clean("the container has ended, its terminal with it")
	return nil
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
