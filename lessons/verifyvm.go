//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"containerkit/lessons/verify"
	"containerkit/lessons/vm"
)

// verifyInVM runs the tests of the stages in a virtual machine, as root and as the ordinary user of the guest, and tells
// the two verdicts. The tests are compiled here: a machine in software emulation would take half an hour for it.
func verifyInVM(engine string, out, progress io.Writer) error {
	root, err := kit()
	if err != nil {
		return err
	}
	dir, err := testDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	packages, err := compileTests(root, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "compiled the tests of %d packages in %.0f s\n", len(packages), time.Since(began).Seconds())
	ok := true
	for _, p := range []verify.Profile{verify.VM, verify.VMUser} {
		script := filepath.Join(dir, p.Name+".sh")
		if err := os.WriteFile(script, []byte(runTests(packages)), 0o755); err != nil {
			return err
		}
		c := &vm.Config{Engine: engine, Memory: 3072, CPUs: 2, Share: "ro", User: "root", Keep: []string{dir}, Command: []string{"sh", script}}
		if !p.Root {
			c.User = "learner"
		}
		began := time.Now()
		run, err := runInVM(c, progress)
		if err != nil {
			return err
		}
		v := verify.Judge(run, p)
		v.Write(out)
		fmt.Fprintf(out, "in %.0f s, as %s, in a virtual machine\n\n", time.Since(began).Seconds(), c.User)
		ok = ok && v.OK()
	}
	if !ok {
		return errSaid
	}
	return nil
}

// testDir is where the test programs are for as long as they are needed: in the user's cache, and not among the kit's own
// temporary directories. The guest sees those of the host without their locks, and its runs would sweep them. What a killed
// run has left there the next one removes.
func testDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "containerkit", "verify-vm")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// A testPackage is a package of a stage, and its tests as a program.
type testPackage struct{ path, dir, program string }

// compileTests compiles the tests of the stages' packages into dir.
func compileTests(root, dir string) (list []testPackage, err error) {
	args := []string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}"}
	for _, s := range verify.Stages() {
		args = append(args, "./"+s+"/...")
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		path, where, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" {
			continue
		}
		p := testPackage{path, where, filepath.Join(dir, strings.ReplaceAll(path, "/", "_")+".test")}
		// Static: the guest has our libraries, but to link them costs an emulated machine time at every start.
		cmd := exec.Command("go", "test", "-c", "-o", p.program, p.path)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go test -c %s: %w\n%s", p.path, err, out)
		}
		list = append(list, p)
	}
	return list, nil
}

// mark begins a line of the script's own among what the tests print.
const mark = "containerkit-verify: "

// runTests is a script that runs them one after another, each where go test would.
func runTests(packages []testPackage) string {
	var b strings.Builder
	b.WriteString("export NO_COLOR=1 CI=1\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "echo '%sbegin %s'\ncd '%s' && '%s' -test.v=test2json -test.timeout=15m 2>&1 </dev/null\necho; echo \"%send $?\"\n", mark, p.path, p.dir, p.program, mark)
	}
	return b.String()
}

// runInVM runs the script and reads what the tests say, as go test -json would have.
func runInVM(c *vm.Config, progress io.Writer) (*verify.Run, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	c.Stdin, c.Stdout, c.Stderr = null, w, os.Stderr
	ended := make(chan error, 1)
	go func() {
		_, err := vm.Run(c)
		w.Close()
		ended <- err
	}()
	var events bytes.Buffer
	var pkg string
	var said bytes.Buffer
	complete := 0
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		switch at := strings.Index(line, mark); {
		case at >= 0:
			word, rest, _ := strings.Cut(strings.TrimSpace(line[at+len(mark):]), " ")
			if word == "begin" {
				pkg = rest
				said.Reset()
				break
			}
			converted, cerr := toJSON(pkg, said.Bytes())
			if cerr != nil {
				return nil, cerr
			}
			events.Write(converted)
			complete++
			result := "ok"
			if rest != "0" {
				result = "FAIL"
			}
			fmt.Fprintf(progress, "%-4s %s\n", result, pkg)
		default:
			said.WriteString(line)
		}
		if err != nil {
			break
		}
	}
	if err := <-ended; err != nil {
		return nil, err
	}
	if complete == 0 {
		return nil, errors.New("the virtual machine ran no test")
	}
	return verify.Read(&events, nil)
}

// toJSON makes of what a test program printed what go test -json would have: go doc test2json.
func toJSON(pkg string, text []byte) ([]byte, error) {
	cmd := exec.Command("go", "tool", "test2json", "-p", pkg)
	cmd.Stdin = bytes.NewReader(text)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}
