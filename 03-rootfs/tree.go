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
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

// sevenths is the status that the shell exits with: one that nothing else would exit with.
const sevenths = 37

// runSh changes its root and execs the shell. If execve(2) succeeds, the connection just closes.
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

// tree shows that a program needs the interpreter and the libraries that its ELF file names.
func tree(n *narrate.Narrator) error {
	n.Question("Why is a program that I copied into an empty image \"not found\"?")
	n.Idea("The kernel doesn't start a dynamic program itself. It starts the interpreter (the " +
		"dynamic loader) that the program's ELF header names, and that loads the shared " +
		"libraries. All of them are looked up in the new root.")
	t, err := shell()
	if err != nil {
		return err
	}
	if t.Static() {
		n.Skip("The shell here is static and needs no other file. Install dash or bash.", true)
		return nil
	}
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	lacks := libc(t)
	missing := "without " + filepath.Base(lacks)
	noLibrary, err := runWith(dir.Join("no-library"), t.Path, without(t.Files(), lacks))
	if err != nil {
		return err
	}
	n.Control("W"+missing[1:]+": the same root, but one file is missing",
		narrate.Show("execve(2)", noLibrary.exec), narrate.Show("exit status", noLibrary.status))
	describeTree(n, t, dir)
	files := t.Files()
	if n.Without {
		files = []string{t.Path}
	}
	full, err := runWith(dir.Join("full"), t.Path, files)
	if err != nil {
		return err
	}
	root := dir.Join("no-interpreter")
	noInterpreter, err := runWith(root, t.Path, without(t.Files(), t.Interpreter))
	if err != nil {
		return err
	}
	n.Proof("The shell runs in a root that has only the files it needs",
		full.status == fmt.Sprint(sevenths),
		narrate.Compare("exit status", full.status, missing, noLibrary.status),
		narrate.Show("files in the root", len(files)))
	n.Proof("execve fails with ENOENT if only the program's interpreter is missing",
		noInterpreter.exec == "ENOENT" && strings.HasPrefix(describe(root+t.Path), "file of"),
		narrate.Compare("execve(2)", noInterpreter.exec, "with the interpreter", full.exec),
		narrate.Show("stat(2)", describe(root+t.Path)))
	n.Note("ENOENT means the interpreter here: that's the file that doesn't exist.")
	n.Why("A glibc program fails like this in an Alpine image, and any dynamic one in FROM scratch.")
	n.ByHand(
		`sh -eu <<'END'`,
		`d=$(mktemp -d); trap 'rm -r $d' EXIT`,
		"for f in "+strings.Join(t.Files(), " ")+`; do mkdir -p $d$(dirname $f); cp $f $d$f; done`,
		"unshare --user --map-root-user chroot $d "+t.Path+" -c 'echo this root has /*'",
		"END",
	)
	return nil
}

// shell returns the files that the shell of this machine needs.
func shell() (t needs.Tree, err error) {
	path, err := exec.LookPath("sh")
	if err != nil {
		return t, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return t, err
	}
	return needs.Of(path)
}

// libc returns the path of the C library that a program needs, or of the interpreter if it needs no
// library of that name: the file to leave out.
func libc(t needs.Tree) string {
	for _, l := range t.Libraries {
		if strings.HasPrefix(l.Name, "libc.") && l.Path != "" {
			return l.Path
		}
	}
	return t.Interpreter
}

// describeTree shows what the ELF files say, and what the step does with it.
func describeTree(n *narrate.Narrator, t needs.Tree, dir *scratch.Dir) {
	n.Do(narrate.Call{
		Text: "Copy the shell and the files it needs into a new root, and run it",
		Sys: [][2]string{{fmt.Sprintf("open(%q)", t.Path), "read its ELF header, and copy it"},
			{`chroot("…/full")`, ""},
			{fmt.Sprintf("execve(%q)", t.Path), fmt.Sprintf("sh -c 'exit %d'", sevenths)}},
		Go:      fmt.Sprintf("needs.Of(%q)", t.Path),
		Man:     "elf(5), ld.so(8), execve(2)",
		Hand:    "readelf -l -d " + t.Path + "   (ldd runs the loader; readelf only reads)",
		At:      needs.Of,
		Without: "Copy the shell alone into a new root, and run it",
	})
	n.Evidence(narrate.Show("PT_INTERP", or(t.Interpreter, "none")))
	for _, l := range t.Libraries {
		n.Evidence(narrate.Show("DT_NEEDED", l.Name, or(l.Path, "not found")))
		n.Detail(narrate.Show(l.Name, l.By, "needs it"))
	}
	if own, err := needs.Of("/proc/self/exe"); err == nil {
		n.Detail(narrate.Show("/proc/self/exe",
			or(strings.Join(own.Files()[1:], " "), "needs no other file: static")))
	}
}

// An outcome says how far a program came.
type outcome struct {
	exec   string // "success", or the errno of execve(2)
	status string // the exit status, or "none"
}

// runWith runs the program in a new root that has these files.
func runWith(root, program string, files []string) (o outcome, err error) {
	if err := copyInto(root, files); err != nil {
		return o, err
	}
	return runIn(root, program)
}

// runIn runs the shell in a root, and returns how far it came.
func runIn(root, program string) (o outcome, err error) {
	p, err := child.Command(runSh)
	if err != nil {
		return o, err
	}
	defer p.Close()
	p.Stderr = nil // the loader complains there, as it should
	namespace.Spec{New: namespace.Mount}.Apply(p.Cmd)
	if err := p.Start(); err != nil {
		return o, err
	}
	if err := p.Send(struct{ Root, Program string }{root, program}); err != nil {
		return o, err
	}
	if err := p.Receive(nil); !errors.Is(err, io.EOF) {
		return outcome{errno.Outcome(err), "none"}, nil
	}
	err = p.Wait()
	if p.ProcessState == nil {
		return o, err
	}
	return outcome{"success", fmt.Sprint(stage.Status(p.ProcessState))}, nil
}

// copyInto copies files to the same paths below root. It follows links: the loader wants the
// contents.
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

// without returns the files except one.
func without(files []string, file string) (rest []string) {
	for _, f := range files {
		if f != file {
			rest = append(rest, f)
		}
	}
	return rest
}

// or returns s, or otherwise if s is empty.
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
