//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/03-rootfs/rootfs/needs"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// sevenths is what the shell is asked to do: end with a status that nothing else would end with.
const sevenths = 37

// runSh changes its root and becomes the shell. If it can, the conversation simply ends.
var runSh = child.Register("run-sh", func(c *child.Conn) error {
	var q struct{ Root, Program string }
	if err := c.Receive(&q); err != nil {
		return err
	}
	if err := rootfs.Chroot(q.Root); err != nil {
		return err
	}
	err := unix.Exec(q.Program, []string{"sh", "-c", fmt.Sprintf("exit %d", sevenths)}, nil)
	return &os.PathError{Op: "exec", Path: q.Program, Err: err}
})

// tree: a program needs its interpreter and libraries, and the ELF file says which.
func tree(n *narrate.Narrator) error {
	n.Question("I copied a program into an empty directory and made that the root. Why is it not found?")
	shell, err := exec.LookPath("sh")
	if err != nil {
		return err
	}
	if shell, err = filepath.EvalSymlinks(shell); err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "read what the program needs from its ELF header, and from those of its libraries",
		Go:   fmt.Sprintf("needs.Of(%q)", shell),
		Man:  "elf(5), ld.so(8)",
		Hand: "readelf -l -d " + shell + "   (ldd runs the loader; readelf only reads)",
		At:   needs.Of,
	})
	t, err := needs.Of(shell)
	if err != nil {
		return err
	}
	n.OldEvidence("the interpreter of "+shell+" (PT_INTERP)", or(t.Interpreter, "none: it is static"))
	for _, l := range t.Libraries {
		n.OldEvidence(l.Name+", needed by "+l.By+" (DT_NEEDED)", or(l.Path, "not found"))
	}
	if self, err := os.Readlink("/proc/self/exe"); err == nil {
		if own, err := needs.Of("/proc/self/exe"); err == nil {
			n.OldEvidence(filepath.Base(self)+", the program that tells you this, needs", or(strings.Join(own.Files()[1:], " "), "nothing: it is static"))
		}
	}
	if t.Static() {
		n.Skip("the shell here is static and needs nothing, so leaving something out cannot be shown; install one that is not (dash, bash)", true)
		return nil
	}

	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	lacks := t.Interpreter
	if len(t.Libraries) > 0 {
		lacks = t.Libraries[0].Path
	}
	for _, root := range []struct {
		name  string
		files []string
	}{
		{"full", t.Files()},
		{"no-library", without(t.Files(), lacks)},
		{"no-interpreter", without(t.Files(), t.Interpreter)},
	} {
		if n.Without && root.name == "full" {
			root.files = []string{t.Path}
		}
		if err := copyInto(dir.Join(root.name), root.files); err != nil {
			return err
		}
	}
	full, err := runIn(dir.Join("full"), t.Path)
	if err != nil {
		return err
	}
	noLibrary, err := runIn(dir.Join("no-library"), t.Path)
	if err != nil {
		return err
	}
	noInterpreter, err := runIn(dir.Join("no-interpreter"), t.Path)
	if err != nil {
		return err
	}
	n.OldEvidence("without "+filepath.Base(lacks)+" the loader starts and gives up", noLibrary)
	n.OldProof(fmt.Sprintf("in a root with these %d files and nothing else the program runs", len(t.Files())),
		full == fmt.Sprintf("exit status %d", sevenths), full, noLibrary)
	found := func(root string) bool {
		_, err := os.Stat(dir.Join(root, t.Path))
		return err == nil
	}
	n.OldProof("without its interpreter, exec says ENOENT of a program that is there",
		strings.HasSuffix(noInterpreter, "ENOENT") && found("no-interpreter"),
		noInterpreter+", and stat finds it: "+fmt.Sprint(found("no-interpreter")), full+", and stat finds it: "+fmt.Sprint(found("full")))
	n.Note("ENOENT names the wrong thing: what was not found is the interpreter that the file asks for, inside the new root")
	n.ByHand(
		`sh -eu <<'END'`,
		`d=$(mktemp -d); trap 'rm -r $d' EXIT`,
		"for f in "+strings.Join(t.Files(), " ")+`; do mkdir -p $d$(dirname $f); cp $f $d$f; done`,
		"unshare --user --map-root-user chroot $d "+t.Path+" -c 'echo this root has /*'",
		"END",
	)
	return nil
}

// runIn runs the shell in a root and tells its exit status, or why it could not start.
func runIn(root, program string) (string, error) {
	p, err := child.Command(runSh)
	if err != nil {
		return "", err
	}
	defer p.Close()
	p.Stderr = nil // the loader complains there, as it should
	namespace.Spec{New: namespace.Mount}.Apply(p.Cmd)
	if err := p.Start(); err != nil {
		return "", err
	}
	if err := p.Send(struct{ Root, Program string }{root, program}); err != nil {
		return "", err
	}
	if err := p.Receive(nil); !errors.Is(err, io.EOF) {
		return "exec: " + errno.Outcome(err), nil
	}
	err = p.Wait()
	if p.ProcessState == nil {
		return "", err
	}
	return fmt.Sprintf("exit status %d", stage.Status(p.ProcessState)), nil
}

// copyInto copies files to the same paths below root. Links are followed: it is the contents that the loader wants.
func copyInto(root string, files []string) error {
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		to := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, raw, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func without(files []string, file string) (rest []string) {
	for _, f := range files {
		if f != file {
			rest = append(rest, f)
		}
	}
	return rest
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
