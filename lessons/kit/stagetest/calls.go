//go:build linux

package stagetest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/narrate"
)

// Calls runs each step under strace(1), and finds each system call that the step says it makes.
func Calls(t *testing.T, s course.Stage) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip(err)
	}
	for _, step := range s.Steps {
		t.Run(step.Name, func(t *testing.T) {
			trace := filepath.Join(t.TempDir(), "trace")
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			args := []string{"-f", "--quiet=all", "-o", trace, "/proc/self/exe", "-json", step.Name}
			args[4], err = os.Executable()
			require.NoError(t, err)
			cmd := Me().as(exec.CommandContext(ctx, strace, args...))
			var out bytes.Buffer
			cmd.Stdout = &out
			_ = cmd.Run() // a claim may fail: a traced program gains nothing by set-user-ID
			said := events(t, &out)
			Result{Events: said}.SkipIfSkipped(t)
			made, names := callsIn(t, trace), callsOf(said)
			require.NotEmpty(t, names)
			for _, name := range names {
				require.True(t, madeAny(made, name), "the step prints %s, and strace saw only %v", name, made)
			}
		})
	}
}

// called begins a system call as narration prints it, and as strace does.
var called = regexp.MustCompile(`(?m)^(?:\d+ +)?([a-z_0-9]+)\(`)

// callsOf returns the names of the system calls that the step prints.
func callsOf(said []narrate.Event) (names []string) {
	for _, e := range said {
		calls, _ := e.Data["calls"].([]any)
		for _, c := range calls {
			pair, _ := c.([]any)
			if m := called.FindStringSubmatch(pair[0].(string)); m != nil {
				names = append(names, m[1])
			}
		}
	}
	return names
}

func callsIn(t *testing.T, trace string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	made := map[string]bool{}
	for _, m := range called.FindAllStringSubmatch(string(text), -1) {
		made[m[1]] = true
	}
	return made
}

// madeAny reports whether a call was made, or a later form of it: open(2) is openat(2) in Go.
func madeAny(made map[string]bool, name string) bool {
	for _, form := range []string{name, name + "at", name + "at2", name + "3", name + "2", "f" + name + "at",
		strings.TrimPrefix(name, "s") + "msg"} {
		if made[form] {
			return true
		}
	}
	return false
}
