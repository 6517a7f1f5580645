//go:build linux

package checkpoint

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The chapter alone leads to a program that passes each checkpoint, and none before its section.
func TestChapterPassesEachCheckpoint(t *testing.T) {
	needUserNamespaces(t)
	header, functions := "", map[string]string{}
	for i, section := range sections(t) {
		for _, block := range regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllStringSubmatch(section, -1) {
			if strings.HasPrefix(block[1], "package main") {
				header = block[1]
				continue
			}
			for _, f := range regexp.MustCompile(`(?ms)^func (\w+)\(.*?^}\n`).FindAllStringSubmatch(block[1], -1) {
				functions[f[1]] = f[0]
			}
		}
		text := header
		for _, f := range functions {
			text += "\n" + f
		}
		passed, err := try(build(t, text), len(All))
		if i == len(All)-1 {
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, passed, i+1, "section %d: %v", i+1, err)
		// Nothing says that there is no limit before the last section.
		require.True(t, passed == i+1 || i == len(All)-1, "section %d passes checkpoint %d", i+1, passed)
	}
}

// The program in lessons/first is what the chapter ends with.
func TestFirstIsTheChaptersProgram(t *testing.T) {
	needUserNamespaces(t)
	source, err := os.ReadFile("../main.go")
	require.NoError(t, err)
	passed, err := try(build(t, string(source)), len(All))
	require.NoError(t, err)
	require.Equal(t, len(All), passed)

	all := strings.Join(sections(t), "")
	for _, f := range regexp.MustCompile(`(?ms)^func \w+\(.*?^}\n`).FindAllString(string(source), -1) {
		if strings.HasPrefix(f, "func main") {
			continue // the example of a command differs
		}
		require.Contains(t, all, f)
	}
}

// Each mistake is told by the checkpoint that it concerns.
func TestMistakes(t *testing.T) {
	needUserNamespaces(t)
	source, err := os.ReadFile("../main.go")
	require.NoError(t, err)
	for mistake, c := range map[string]struct {
		old, new string
		passes   int
		says     string
	}{
		"input":    {"cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin,", "cmd.Stdin, cmd.Stdout, cmd.Stderr = nil,", 0, "standard input"},
		"status":   {"return exit.ExitCode(), nil", "return 1, nil", 0, "exit status 1"},
		"network":  {"unix.CLONE_NEWIPC | unix.CLONE_NEWNET", "unix.CLONE_NEWIPC", 1, "/proc/PID/ns/net"},
		"hostname": {`[]byte("first")`, "[]byte(hostname())", 1, "the host's name"},
		"writable": {"Attr_set: unix.MOUNT_ATTR_RDONLY", "Attr_set: unix.MOUNT_ATTR_NOSUID", 2, "write to /usr"},
		"pivot":    {`unix.PivotRoot(".", ".")`, "error(nil)", 2, "a file of the host"},
		"proc":     {`unix.Mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")`, "error(nil)", 3, "mount a new proc"},
		"silence":  {`fmt.Fprintln(os.Stderr, "first: no memory limit:", err)`, "_ = err", 4, "does not say so"},
		"no child": {"err = cmd.Run()", "return 0, nil", 0, "standard input"},
	} {
		t.Run(mistake, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(string(source), c.old, c.new, 1) + "\nfunc hostname() string { h, _ := os.Hostname(); return h }\n"
			require.NotEqual(t, string(source), text)
			passed, err := try(build(t, text), len(All))
			if mistake == "silence" && err == nil {
				t.Skip("this machine sets a limit") // then there is nothing to be silent about
			}
			if mistake == "writable" && os.Geteuid() != 0 {
				t.Skip("only root could write to /usr")
			}
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.passes, passed)
		})
	}
}

func TestCheckSaysWhereToBegin(t *testing.T) {
	_, err := Check(t.Context(), t.TempDir(), 1)
	require.ErrorContains(t, err, "go run ./lessons read first")
}

// sections are those of the chapter that end with a checkpoint.
func sections(t *testing.T) (list []string) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/first.md")
	require.NoError(t, err)
	for i := range All {
		_, section, ok := strings.Cut(string(page), fmt.Sprintf("\n## %d. ", i+1))
		require.True(t, ok)
		section, _, _ = strings.Cut(section, "\n## ")
		require.Contains(t, section, fmt.Sprintf("go run ./lessons check first/%d", i+1))
		list = append(list, section)
	}
	return list
}

// build builds a program outside of the checkout, with its module.
func build(t *testing.T, text string) program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	exe := filepath.Join(t.TempDir(), "first")
	cmd := exec.Command("go", "build", "-o", exe, file)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, text)
	return program{t.Context(), exe}
}

func needUserNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.Command("true")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		t.Skip("no user namespaces here: ", err)
	}
}
