//go:build linux

package exercise

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// broken holds a broken file, and the one line that its check must print. {} stands for the file's
// name.
type broken struct {
	name    string
	put     func(path string) error // or
	imports string                  // the imports and
	body    string                  // the body of SetHostname
	says    string
	always  bool // tried by default; the others where CONTAINERKIT_EXERCISES is "all"
}

// text replaces the file's contents by text.
func text(text string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o644) }
}

// written returns a solution with the given imports and body.
func written(imports, body string) string {
	file := "//go:build linux && mine\n\npackage namespace\n\n"
	if imports != "" {
		file += "import (\n\t\"" + strings.ReplaceAll(imports, " ", "\"\n\t\"") + "\"\n)\n\n"
	}
	return file + "func SetHostname(name string) error {\n" + body + "\n}\n"
}

func encoded(order string) func(path string) error {
	raw := []byte(order)
	for _, u := range utf16.Encode([]rune(written("", "return nil"))) {
		if order == "\xfe\xff" {
			raw = append(raw, byte(u>>8), byte(u))
		} else {
			raw = append(raw, byte(u), byte(u>>8))
		}
	}
	return text(string(raw))
}

func instead(replace func(path string) error) func(path string) error {
	return func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return replace(path)
	}
}

const (
	stuck    = `{}: your function did not return within 3 s`
	exits    = `{}: your code terminates the program that calls it: return an error, and call os.Exit only in main`
	exitsIn  = `{}: your code terminates the process that runs it, by os.Exit or a signal: return an error instead`
	forks    = `{}: your code started more than 512 processes and threads`
	many     = `{}: your code (did not return within 3 s|started more than 512 processes and threads)|` + stuck
	sentinel = `containerkit-survivor`
)

var files = []broken{
	// Not a Go file at all.
	{name: "empty", put: text(""), says: `{}: it is empty; go run ./lessons reset 02-namespaces/hostname restores the unsolved file`, always: true},
	{name: "blank", put: text(" \n\t\n"), says: `{}: it is empty; .*`},
	{name: "UTF-16, little-endian", put: encoded("\xff\xfe"), says: `{}: it is not UTF-8 .*: save it as UTF-8 in your editor`, always: true},
	{name: "UTF-16, big-endian", put: encoded("\xfe\xff"), says: `{}: it is not UTF-8 .*`},
	{name: "UTF-16 without its mark", put: encoded(""), says: `{}: it is not UTF-8 .*`},
	{name: "Latin-1", put: text("//go:build linux && mine\n\n// f\xfcr\npackage namespace\n"), says: `{}: it is not UTF-8: save.*`},
	{name: "zeros", put: text(strings.Repeat("\x00", 64)), says: `{}: it is not UTF-8 .*`},
	{name: "a program", put: text("\x7fELF\x02\x01\x01\x00\x00"), says: `{}: it is not UTF-8 .*`},
	{name: "large", put: text("//" + strings.Repeat("x", 3<<20)), says: `{}: it has 3 MiB, too much for Go code`},
	{name: "missing", put: os.Remove, says: `{}: it is missing; go run ./lessons reset 02-namespaces/hostname restores the unsolved file`, always: true},
	{name: "renamed", put: func(path string) error { return os.Rename(path, filepath.Dir(path)+"/name_mine.go") },
		says: `{}: it is missing; did you rename it to 02-namespaces/namespace/name_mine.go\? Rename it back: mv 02-namespaces/namespace/name_mine.go {}`, always: true},
	{name: "renamed to no Go file", put: func(path string) error { return os.Rename(path, path+".txt") }, says: `{}: it is missing; did you rename it to {}.txt\?.*`},
	{name: "a FIFO", put: instead(func(path string) error { return syscall.Mkfifo(path, 0o644) }), says: `{}: it is a FIFO, not a file; go run ./lessons reset .*`, always: true},
	{name: "a directory", put: instead(func(path string) error { return os.Mkdir(path, 0o755) }), says: `{}: it is a directory, not a file; .*`},
	{name: "a link to nothing", put: instead(func(path string) error { return os.Symlink("nowhere", path) }), says: `{}: it is missing; .*`},
	{name: "a link to itself", put: instead(func(path string) error { return os.Symlink(filepath.Base(path), path) }), says: `{}: too many levels of symbolic links`},
	{name: "a link to a device", put: instead(func(path string) error { return os.Symlink("/dev/zero", path) }), says: `{}: it is a device, not a file; .*`},

	// Code that does not compile.
	{name: "without the tag", put: text("package namespace\n\nfunc SetHostname(string) error { return nil }\n"), says: `{}: the line //go:build linux && mine is missing at the top, .*`, always: true},
	{name: "the reference's tag", put: text("//go:build linux && !mine\n\npackage namespace\n\nfunc SetHostname(string) error { return nil }\n"), says: `(?s){}: other files call a function that is missing here, or that has other types now\n.*undefined: SetHostname`},
	{name: "a tag for another system", put: text("//go:build windows\n\npackage namespace\n"), says: `(?s){}: other files call a function .*undefined: SetHostname`},
	{name: "ignored", put: text("//go:build ignore\n\npackage namespace\n"), says: `(?s){}: other files call a function .*`},
	{name: "no package", put: text("//go:build linux && mine\n\nfunc SetHostname(string) error { return nil }\n"), says: `(?s){}:3:1: expected 'package', found .*`},
	{name: "only the package", put: text("//go:build linux && mine\n\npackage namespace\n"), says: `(?s){}: other files call a function .*`},
	{name: "the function renamed", put: text(strings.Replace(written("", "return nil"), "SetHostname", "setHostname", 1)), says: `(?s){}: other files call a function .*undefined: SetHostname.*`, always: true},
	{name: "another signature", put: text(strings.Replace(written("", "return nil"), "name string", "name []byte", 1)), says: `(?s){}: other files call a function .*cannot use .*`},
	{name: "prose", put: text("Set the hostname, please.\n"), says: `(?s){}:1:1: expected 'package', found .*`},
	{name: "C", put: text("#include <unistd.h>\nint main() { return 0; }\n"), says: `(?s){}:1:1: .*`},
	{name: "a missing brace", put: text(strings.TrimSuffix(written("", "return nil"), "}\n")), says: `(?s){}:\d+:\d+: .*`},
	{name: "an extra brace", put: text(written("", "return nil") + "}\n"), says: `(?s){}:\d+:\d+: .*`},
	{name: "conflict markers", put: text("<<<<<<< HEAD\n" + written("", "return nil") + "=======\n>>>>>>> theirs\n"), says: `(?s){}:1:1: .*`},
	{name: "no result", body: "", says: `{}:\d+:\d+: missing return`},
	{name: "a wrong number of results", body: "return nil, nil", says: `(?s){}:\d+:\d+: too many return values\n\s+have \(nil, nil\)\n\s+want \(error\)`, always: true},
	{name: "an unused import", imports: "os", body: "return nil", says: `{}:\d+:\d+: "os" imported and not used`},
	{name: "an unknown import", imports: "containerkit/nowhere", body: "return nowhere.X()", says: `(?s){}:\d+:\d+: package containerkit/nowhere is not in .*`},
	{name: "an import cycle", imports: "containerkit/02-namespaces/box", body: "_ = box.Open\nreturn nil", says: `(?s){}: other files.*import cycle not allowed.*|(?s).*import cycle not allowed.*`, always: true},
	{name: "its own package", imports: "containerkit/02-namespaces/namespace", body: "return namespace.SetHostname(name)", says: `(?s).*import cycle not allowed.*`},
	{name: "twice", put: text(written("", "return nil") + "\nfunc SetHostname(string) error { return nil }\n"), says: `(?s){}:\d+:\d+: SetHostname redeclared in this block.*`},

	// Code that does not run to its end.
	{name: "never returns", body: "for {\n}", says: stuck, always: true},
	{name: "sleeps", imports: "time", body: "time.Sleep(time.Hour)\nreturn nil", says: stuck},
	{name: "waits for nothing", body: "select {}", says: `{}: your code panics: all goroutines are asleep - deadlock!|` + stuck},
	{name: "waits for a lock", imports: "sync", body: "var m sync.Mutex\nm.Lock()\nm.Lock()\nreturn nil", says: `{}: your code panics: .*deadlock!|{}:\d+: your code panics: .*deadlock!|` + stuck},
	{name: "never returns before main", put: text(written("", "return nil") + "\nfunc init() {\n\tfor {\n\t}\n}\n"), says: stuck},
	{name: "calls itself", body: "return SetHostname(name)", says: `{}:\d+: your code panics: (exceeds .*|stack overflow)|` + `{}: your code .*`},
	{name: "panics", body: `panic("no idea")`, says: `{}:6: your code panics: no idea`, always: true},
	{name: "panics before main", put: text(written("", "return nil") + "\nfunc init() { panic(\"early\") }\n"), says: `{}:9: your code panics: early`},
	{name: "panics in a goroutine", body: "done := make(chan int)\ngo func() { panic(name) }()\n<-done\nreturn nil", says: `{}:7: your code panics: inside.example`},
	{name: "a nil map", body: "var m map[string]int\nm[name]++\nreturn nil", says: `{}:7: your code panics: assignment to entry in nil map`},
	{name: "an index out of range", body: "return map[int]error{}[int(name[99])]", says: `{}:6: your code panics: runtime error: index out of range .*`},
	{name: "a nil pointer", body: "var p *int\n*p = 1\nreturn nil", says: `{}:7: your code panics: runtime error: invalid memory address or nil pointer dereference`},
	{name: "a division by zero", body: "n := len(name)\n_ = n / (n - n)\nreturn nil", says: `{}:7: your code panics: runtime error: integer divide by zero`},
	{name: "os.Exit(0)", imports: "os", body: "os.Exit(0)\nreturn nil", says: exitsIn, always: true},
	{name: "os.Exit(1)", imports: "os", body: "os.Exit(1)\nreturn nil", says: exitsIn},
	{name: "os.Exit(0) before main", imports: "os", put: text(written("os", "return nil") + "\nfunc init() { os.Exit(0) }\n"), says: exits},
	{name: "os.Exit(3) before main", imports: "os", put: text(written("os", "return nil") + "\nfunc init() { os.Exit(3) }\n"), says: exits},
	{name: "log.Fatal", imports: "log", body: "log.Fatal(name)\nreturn nil", says: exitsIn},
	{name: "Goexit", imports: "runtime", body: "runtime.Goexit()\nreturn nil", says: `{}: your code (panics: no goroutines.*|.*)|` + stuck},

	// Code that reaches for other processes, or for too much.
	{name: "kills process 0", imports: "syscall", body: "_ = syscall.Kill(0, syscall.SIGKILL)\nreturn nil", says: `{}: signal 9 .*|` + exitsIn, always: true},
	{name: "asks process 0 to exit", imports: "syscall", body: "_ = syscall.Kill(0, syscall.SIGTERM)\nselect {}", says: `{}: signal 15 .*|` + exitsIn + `|` + stuck},
	{name: "kills all processes", imports: "syscall", body: "_ = syscall.Kill(-1, syscall.SIGKILL)\nreturn nil", says: `{}: signal 9 .*|` + exitsIn, always: true},
	{name: "kills its parent", imports: "os syscall", body: "_ = syscall.Kill(os.Getppid(), syscall.SIGKILL)\nselect {}", says: `{}: .*`},
	{name: "kills PID 1", imports: "syscall", body: "_ = syscall.Kill(1, syscall.SIGKILL)\nfor {\n}", says: stuck},
	{name: "stops itself", imports: "os syscall", body: "_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)\nreturn nil", says: stuck},
	{name: "forks without end", imports: "os/exec", body: "for {\n_ = exec.Command(\"sleep\", \"1000\", \"" + sentinel + "\").Start()\n}", says: many, always: true},
	{name: "forks until it fails", imports: "os/exec", body: "for {\nif err := exec.Command(\"sh\", \"-c\", \"sleep 1000; : " + sentinel + "\").Start(); err != nil {\nreturn err\n}\n}", says: forks},
	{name: "a fork bomb in the shell", imports: "os/exec", body: "return exec.Command(\"sh\", \"-c\", \"f() { f | f & }; f; : " + sentinel + "\").Run()", says: forks + `|` + stuck},
	{name: "leaves a daemon", imports: "os/exec syscall", body: "c := exec.Command(\"sleep\", \"1000\", \"" + sentinel + "\")\nc.SysProcAttr = &syscall.SysProcAttr{Setsid: true}\n_ = c.Start()\npanic(\"gone\")", says: `{}:\d+: your code panics: gone`, always: true},
	{name: "prints without end", imports: "fmt", body: "for {\nfmt.Println(name)\n}", says: `{}: your code printed more than 1 MiB|` + stuck},
	{name: "prints errors without end", imports: "os", body: "for {\n_, _ = os.Stderr.WriteString(name + \"\\n\")\n}", says: `{}: your code printed more than 1 MiB`, always: true},
	{name: "uses memory without end", body: "var all [][]byte\nfor {\nb := make([]byte, 1<<24)\nfor i := range b {\nb[i] = 1\n}\nall = append(all, b)\n_ = all\n}", says: `{}: your code used more than 1 GiB of memory|{}: signal 9 .*|{}(:\d+)?: your code panics: .*out of memory.*|` + exitsIn + `|` + stuck},
}

// Whatever a learner's file contains, its check ends with an answer that names the file, and no
// process of it survives.
func TestBrokenFiles(t *testing.T) {
	list, err := Find("02-namespaces/hostname")
	require.NoError(t, err)
	e := list[0]
	ready := make(chan string, 2)
	for range cap(ready) {
		dir := t.TempDir()
		require.NoError(t, Copy(root, dir))
		require.NoError(t, Solve(dir))
		ready <- dir
	}
	if r, err := Check(t.Context(), root, e); err == nil && r.Outcome == Unchecked {
		t.Skip("the exercise cannot be checked here: " + r.Reason)
	}
	t.Run("each", func(t *testing.T) {
		for _, f := range files {
			if !f.always && os.Getenv("CONTAINERKIT_EXERCISES") != "all" {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				dir := <-ready
				defer func() { ready <- dir }()
				f.try(t, dir, e)
			})
		}
	})
	require.Empty(t, processes(t, sentinel), "a process that a learner's code started has survived")
}

func (f broken) try(t *testing.T, dir string, e Exercise) {
	path := filepath.Join(dir, e.File)
	entries, err := filepath.Glob(filepath.Dir(path) + "/name_mine.go")
	require.NoError(t, err)
	for _, old := range append(entries, path, path+".txt") {
		require.NoError(t, os.RemoveAll(old))
	}
	stub, err := Shipped(dir, e)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, stub, 0o644))
	put := f.put
	if put == nil {
		put = text(written(f.imports, f.body))
	}
	require.NoError(t, put(path))
	patience := 3 * time.Second
	if !strings.Contains(f.says, "did not return") {
		patience = time.Minute // a busy machine
	}
	_, err = Migrate(dir, time.Now())
	require.NoError(t, err)
	r, err := check(t.Context(), dir, e, patience)
	require.NoError(t, err)
	says := strings.ReplaceAll(f.says, "{}", regexp.QuoteMeta(e.File))
	says = strings.ReplaceAll(says, regexp.QuoteMeta(e.File)+":\\d", "02-namespaces/namespace/hostname_mine.go:\\d")
	require.Regexp(t, "^(?:"+says+")$", r.Reason, "%s\n%s", r.Outcome, r.State.Output)
	require.Contains(t, []Outcome{Broken, Failed}, r.Outcome)
}

// processes returns the processes whose arguments contain the word.
func processes(t *testing.T, word string) (pids []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, name := range names {
		if raw, err := os.ReadFile(name); err == nil && strings.Contains(string(raw), word) {
			pids = append(pids, name)
		}
	}
	return pids
}
