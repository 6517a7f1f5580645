//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/doctor"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stagetest"
)

// TestMain also acts as a run that is killed in the middle, for TestClean.
func TestMain(m *testing.M) {
	initChildren()
	if os.Getenv("CONTAINERKIT_LEAVE") != "" {
		leave()
	}
	stagetest.Program(main)
	if args := os.Getenv(lessonsEnv); args != "" {
		os.Unsetenv(lessonsEnv)
		os.Exit(run(strings.Fields(args), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// lessonsEnv makes the test binary run as the program, with these arguments.
const lessonsEnv = "CONTAINERKIT_TEST_LESSONS"

func lessons(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = run(args, &o, &e)
	return status, o.String(), e.String()
}

func TestGlance(t *testing.T) {
	status, out, errs := lessons()
	require.Zero(t, status)
	require.Empty(t, errs)
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len([]rune(line)), 81, line)
	}
	words := strings.Join(strings.Fields(out), " ")
	for _, stage := range course.Stages {
		require.Contains(t, words, stage.Dir+" "+stage.Title)
		for _, s := range stage.Steps {
			require.Contains(t, words, s.Name+" "+s.Claim)
		}
	}
}

func TestCalls(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"-h", 0, "can this machine run it?"},
		{"doctor -h", 0, "as one JSON object"},
		{"verify --help", 0, "that the profile promises"},
		{"help", 0, "can this machine run it?"},
		{"help doctor", 0, "as one JSON object"},
		{"help docter", 2, `did you mean "doctor"?`},
		{"docter", 2, `no command "docter"; did you mean "doctor"?`},
		{"cleen", 2, `did you mean "clean"?`},
		{"02-namespaces", 2, "go run ./02-namespaces"},
		{"doctor now", 2, ""},
		{"clean -nonsense", 2, "nonsense"},
		{"verify -profile laptop", 2, `no profile "laptop"; there are user, root and vm`},
		{"verify -profile " + map[bool]string{true: "user", false: "root"}[os.Geteuid() == 0], 2, "and this is"},
		{"verify -from /no/such/file", 2, "-from needs a -profile"},
		{"verify -profile root -from /no/such/file", 1, "/no/such/file"},
	} {
		status, out, errs := lessons(strings.Fields(c.args)...)
		require.Equal(t, c.status, status, "%s\n%s%s", c.args, out, errs)
		require.Contains(t, out+errs, c.says, c.args)
		if status == 2 {
			require.Empty(t, out, c.args)
			require.Contains(t, errs, "try: go run ./lessons -h")
		}
	}
}

func TestDoctor(t *testing.T) {
	status, out, _ := lessons("doctor")
	require.Zero(t, status)
	require.Contains(t, out, "what it can do (each was tried)")
	status, out, _ = lessons("doctor", "-json")
	require.Zero(t, status)
	var r struct {
		Facts, Features, WillSkip []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(out, "will_skip", "WillSkip", 1)), &r))
	require.Len(t, r.Features, len(doctor.Features))
	require.NotNil(t, r.WillSkip)
}

// TestVerifyJudges checks that a run that hardly tested anything fails, whatever go test says.
func TestVerifyJudges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"Action":"run","Package":"containerkit/02-namespaces","Test":"TestClaims"}
{"Action":"run","Package":"containerkit/02-namespaces","Test":"TestClaims/uts"}
{"Action":"output","Package":"containerkit/02-namespaces","Test":"TestClaims/uts","Output":"    stagetest.go:9: EPERM of all things\n"}
{"Action":"skip","Package":"containerkit/02-namespaces","Test":"TestClaims/uts"}
{"Action":"pass","Package":"containerkit/02-namespaces","Test":"TestClaims"}
{"Action":"pass","Package":"containerkit/02-namespaces"}
`), 0o600))
	status, out, errs := lessons("verify", "-profile", "user", "-from", file)
	require.Equal(t, 1, status, errs)
	require.Contains(t, out, "✗ uts          skipped, but promised: EPERM of all things")
	require.Regexp(t, `\n0 passed, \d+ failed, 0 skipped\n$`, out)
}

// leave creates what a run creates, prints where, and is killed.
func leave() {
	d, err := scratch.New()
	if err == nil {
		os.Stdout.WriteString(d.Path + "\n")
	}
	if g, err := cgroup.New("left", cgroup.Resources{}); err == nil {
		for _, c := range []string{"pids", "freezer"} {
			if path := g.Path(c); path != "" {
				os.Stdout.WriteString(path + "\n")
				break
			}
		}
	}
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
}

func TestClean(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "CONTAINERKIT_LEAVE=1")
	left, err := cmd.Output()
	require.Error(t, err)
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.NotEmpty(t, left)
	paths := strings.Fields(string(left))
	for _, p := range paths {
		require.DirExists(t, p)
	}
	status, out, errs := lessons("clean")
	require.Zero(t, status, errs)
	require.Contains(t, out, "removed "+paths[0]+"\n")
	for _, p := range paths {
		require.NoDirExists(t, p)
	}
}

// TestForeignProc checks that every command that would create something stops where /proc belongs
// to another PID namespace. Without a command, and with those that only print, the course can be
// read there.
func TestForeignProc(t *testing.T) {
	stagetest.ForeignProc(t, []string{"clean"}, []string{"check", "-all"}, []string{"watch"},
		[]string{"vm"}, []string{"verify"}, []string{"break", "pid"}, []string{"compare"},
		[]string{"report"})
}

func TestFullOutput(t *testing.T) {
	stagetest.FullOutput(t, "", "-h", "help doctor", "doctor", "doctor -json", "map --memory", "read pid", "clean")
}
