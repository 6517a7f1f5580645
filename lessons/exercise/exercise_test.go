package exercise

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/author/verify"
)

const root = "../.."

func TestStub(t *testing.T) {
	e := Exercise{Stage: "01-x", Name: "y", Title: "a thing works", File: "p/y_mine.go", Task: "Do it.\n\nReally.", Read: []string{"clone(2)"}}
	const reference = `//go:build linux && !mine

package p

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Y does y.
func Y(f *os.File) (n int, err error) { return unix.Getpid(), nil }

// Z is a method.
func (t *T) Z() error {
	return fmt.Errorf("secret")
}
`
	got, err := Stub(e, []byte(reference))
	require.NoError(t, err)
	require.Equal(t, `//go:build linux && mine

// Exercise 01-x/y: a thing works
//
// Do it.
//
// Really.
//
// Read: clone(2)
// The reference also imports: fmt, golang.org/x/sys/unix
// Check: go run ./lessons check 01-x/y

package p

import (
	"os"

	"containerkit/lessons/kit/todo"
)

// Y does y.
func Y(f *os.File) (n int, err error) {
	return 0, todo.Exercise("01-x/y")
}

// Z is a method.
func (t *T) Z() error {
	return todo.Exercise("01-x/y")
}
`, string(got))
	require.Equal(t, strings.Replace(reference, "!mine", "mine", 1), string(Solution([]byte(reference))))

	for _, bad := range []string{
		"package p\n",
		"//go:build linux && !mine\n\npackage p\n\nfunc F() int { return 1 }\n",
		"//go:build linux && !mine\n\npackage p\n\nconst c = 1\n",
	} {
		_, err := Stub(e, []byte(bad))
		require.Error(t, err, bad)
	}
}

func TestFind(t *testing.T) {
	all, err := Find()
	require.NoError(t, err)
	require.Equal(t, len(All()), len(all))
	if len(all) == 0 {
		t.Skip("no exercise yet")
	}
	e := all[0]
	for _, name := range []string{e.ID(), "./" + e.ID()} {
		got, err := Find(name)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, e.ID(), got[0].ID())
	}
	for name, want := range map[string]string{
		"pids": "01-cgroups/readback", "01-cgroups/pids": "01-cgroups/readback",
		"mnt": "02-namespaces/private", "pivot": "03-rootfs/pivot", "nat": "04-network/masquerade",
	} {
		got, err := Find(name)
		require.NoError(t, err, name)
		require.Len(t, got, 1, name)
		require.Equal(t, want, got[0].ID(), "the step %s", name)
	}
	got, err := Find("proc")
	require.NoError(t, err)
	require.Len(t, got, 1, "an exercise of that name comes before exercises of the step")
	_, err = Find(e.ID() + "x")
	require.ErrorContains(t, err, "did you mean \""+e.ID())
}

func TestJudge(t *testing.T) {
	d := Diagnosis{Name: "shared", If: func(s State) bool { return s.Facts["propagation"] == "shared" }}
	r := Result{Exercise: Exercise{Stage: "s", Name: "n", Diagnoses: []Diagnosis{{Name: "no", If: func(State) bool { return false }}, d}}}
	test := func(result, output string) *verify.Run {
		return &verify.Run{Tests: []verify.Test{{Package: "p", Name: "TestX", Result: result, Output: output}}}
	}
	got, err := r.judge(test("pass", ""), "", nil)
	require.NoError(t, err)
	require.Equal(t, Solved, got.Outcome)

	half := test("pass", "")
	half.Tests = append(half.Tests, verify.Test{Package: "p", Name: "TestY", Result: "skip", Output: "    x_test.go:4: no cgroup\n"})
	got, err = r.judge(half, "", nil)
	require.NoError(t, err)
	require.Equal(t, Solved, got.Outcome)
	require.Equal(t, "no cgroup", got.Reason)

	got, err = r.judge(test("fail", "    x_test.go:3: fact: propagation=shared\n    x_test.go:4: \n        claim: it holds\n        expected: a\n        got: b\n        got: c\n        from: /proc/x\n"), "", nil)
	require.NoError(t, err)
	require.Equal(t, Failed, got.Outcome)
	require.Equal(t, "it holds", got.State.Claim)
	require.Equal(t, "a", got.State.Expected)
	require.Equal(t, "b\nc", got.State.Got)
	require.Equal(t, "/proc/x", got.State.From)
	require.Equal(t, "shared", got.Diagnosis.Name)

	got, err = r.judge(test("fail", "got: exercise s/n is not solved yet: …"), "", nil)
	require.NoError(t, err)
	require.Equal(t, Unsolved, got.Outcome)

	got, err = r.judge(test("skip", "    x_test.go:4: needs root\n"), "", nil)
	require.NoError(t, err)
	require.Equal(t, Unchecked, got.Outcome)
	require.Equal(t, "needs root", got.Reason)

	broken := &verify.Run{Tests: []verify.Test{{Package: "p", Result: "fail", Output: "# p\np/x_mine.go:7:2: undefined: foo\nFAIL p [build failed]\n"}}}
	got, err = r.judge(broken, "", nil)
	require.NoError(t, err)
	require.Equal(t, Broken, got.Outcome)
	require.Equal(t, "p/x_mine.go:7:2: undefined: foo", got.Reason)

	for _, says := range []string{"module lookup disabled by GOPROXY=off",
		`golang.org/x/sys@v0.49.0: Get "http://127.0.0.1:1/golang.org/x/sys/@v/v0.49.0.zip": dial tcp: connection refused`} {
		offline := &verify.Run{Tests: []verify.Test{{Package: "p", Result: "fail", Output: "# p\np/x_mine.go:7:2: " + says + "\nFAIL p [setup failed]\n"}}}
		got, err = r.judge(offline, "", nil)
		require.NoError(t, err)
		require.Equal(t, Unchecked, got.Outcome)
		require.Contains(t, got.Reason, "go mod download")
	}
	const types = "p/x_mine.go:7:9: too many return values\n\thave (nil, nil)\n\twant (error)\np/x_mine.go:8:2: undefined: foo"
	broken = &verify.Run{Tests: []verify.Test{{Package: "p", Result: "fail", Output: "# p\n" + types + "\nFAIL\tp [build failed]\n"}}}
	got, err = r.judge(broken, "", nil)
	require.NoError(t, err)
	require.Equal(t, types, got.Reason, "with the types that Go got and wants")

	_, err = r.judge(&verify.Run{}, "", nil)
	require.ErrorContains(t, err, "runs no test")
}

// Put never loses what a learner wrote.
func TestPutKeepsWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	e := Exercise{Stage: "01-x", Name: "y", File: "p/y_mine.go", Task: "t", Title: "t"}
	reference := "//go:build linux && !mine\n\npackage p\n\nfunc Y() error { return nil }\n"
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "p"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p/y.go"), []byte(reference), 0o644))
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	shipped, err := Shipped(dir, e)
	require.NoError(t, err)

	kept, err := Put(dir, e, shipped, now)
	require.NoError(t, err)
	require.Empty(t, kept)
	unsolved, err := IsUnsolved(dir, e)
	require.NoError(t, err)
	require.True(t, unsolved)

	require.NoError(t, os.WriteFile(filepath.Join(dir, e.File), []byte("// my work\n"), 0o644))
	kept, err = Put(dir, e, shipped, now)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, kept))
	require.NoError(t, err)
	require.Equal(t, "// my work\n", string(text))

	p, err := LoadProgress(dir)
	require.NoError(t, err)
	p.Note(Result{Exercise: e, Outcome: Failed}, now)
	p.Note(Result{Exercise: e, Outcome: Unsolved}, now)
	p.Note(Result{Exercise: e, Outcome: Solved}, now)
	p.Note(Result{Exercise: e, Outcome: Solved}, now.Add(time.Hour))
	require.NoError(t, p.Save(dir, Progress{}))
	p, err = LoadProgress(dir)
	require.NoError(t, err)
	require.Equal(t, Record{Tries: 2, First: now, Solved: now, Last: Solved}, p[e.ID()])
}

// A progress file that holds null, or null for an exercise, means no progress.
func TestProgressOfNull(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Dir(progressFile(dir)), 0o755))
	e := All()[0]
	for _, text := range []string{"null", `{"` + e.ID() + `":null}`} {
		require.NoError(t, os.WriteFile(progressFile(dir), []byte(text), 0o644))
		p, err := LoadProgress(dir)
		require.NoError(t, err, text)
		before := maps.Clone(p)
		p.Note(Result{Exercise: e, Outcome: Failed}, time.Now())
		require.Equal(t, 1, p[e.ID()].Tries, text)
		require.NoError(t, p.Save(dir, before), text)
	}
}

// With watch in one window and check in another, neither overwrites what the other has recorded.
func TestProgressOfTwoAtATime(t *testing.T) {
	dir := t.TempDir()
	load := func() (p, before Progress) {
		p, err := LoadProgress(dir)
		require.NoError(t, err)
		return p, maps.Clone(p)
	}
	one, beforeOne := load()
	one["s/first"] = Record{Tries: 1, Last: Failed}
	one["s/gone"] = Record{Tries: 1, Last: Failed}
	require.NoError(t, one.Save(dir, beforeOne))

	two, beforeTwo := load()
	one["s/first"] = Record{Tries: 2, Last: Solved}
	delete(one, "s/gone")
	require.NoError(t, one.Save(dir, beforeOne))
	two["s/second"] = Record{Tries: 7, Last: Solved}
	require.NoError(t, two.Save(dir, beforeTwo))
	want := Progress{"s/first": {Tries: 2, Last: Solved}, "s/second": {Tries: 7, Last: Solved}}
	require.Equal(t, want, two, "it has adopted what the other one recorded")
	require.NoError(t, one.Save(dir, beforeOne))
	require.Equal(t, want, one)
	now, _ := load()
	require.Equal(t, want, now)
}

// Root can run checks that an ordinary user can't. The files that it writes stay the learner's.
func TestRootLeavesFilesToTheirOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can write for another user")
	}
	dir := t.TempDir()
	const learner = 65531
	require.NoError(t, os.Chown(dir, learner, learner))
	p := Progress{"s/first": {Tries: 1}}
	require.NoError(t, p.Save(dir, Progress{}))
	require.NoError(t, replace(filepath.Join(dir, Room, "copies/old.go"), []byte("// mine\n")))
	for _, path := range []string{Room, Room + "/progress.json", Room + "/copies", Room + "/copies/old.go"} {
		info, err := os.Stat(filepath.Join(dir, path))
		require.NoError(t, err)
		require.Contains(t, fmt.Sprintf("%+v", info.Sys()), fmt.Sprintf("Uid:%d Gid:%d", learner, learner), path)
	}
}
