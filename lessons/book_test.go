//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func bookPage(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "docs", name))
	require.NoError(t, err)
	return string(raw)
}

// A slot is a row of a plan in the teacher's guide.
type slot struct {
	at, minutes int
	commands    []string
}

// plans reads the plans of the teacher's guide by their names: "60" and "60 first" have 60 minutes.
func plans(t *testing.T) map[string][]slot {
	found := map[string][]slot{}
	row := regexp.MustCompile(`^\| (\d+) \| (\d+) \|([^|]*)\|`)
	command := regexp.MustCompile("`(go run [^`]*)`")
	plan := ""
	for _, line := range strings.Split(bookPage(t, "teaching.md"), "\n") {
		if m := regexp.MustCompile(`^<!-- plan: (\d+(?: \w+)?) -->$`).FindStringSubmatch(line); m != nil {
			plan = m[1]
		} else if strings.HasPrefix(line, "## ") {
			plan = ""
		}
		m := row.FindStringSubmatch(line)
		if m == nil || plan == "" {
			continue
		}
		at, _ := strconv.Atoi(m[1])
		minutes, _ := strconv.Atoi(m[2])
		s := slot{at: at, minutes: minutes}
		for _, c := range command.FindAllStringSubmatch(m[3], -1) {
			s.commands = append(s.commands, c[1])
		}
		found[plan] = append(found[plan], s)
	}
	return found
}

func TestThePlansOfTheTeachersGuideFillTheirHours(t *testing.T) {
	all := plans(t)
	require.Len(t, all, 4)
	for plan, slots := range all {
		promised, err := strconv.Atoi(strings.Fields(plan)[0])
		require.NoError(t, err)
		at := 0
		for _, s := range slots {
			require.Equal(t, at, s.at, "the plan %q: each part begins where the one before it ends", plan)
			at += s.minutes
		}
		require.Equal(t, promised, at, "the plan %q", plan)
	}
}

// pace is the number of words that a class reads in a minute while the teacher points at them.
const pace = 150

func TestTheHourOfTheTeachersGuideIsLongEnoughForItsWords(t *testing.T) {
	steps := 0
	for _, s := range plans(t)["60"] {
		for _, c := range s.commands {
			args := strings.Fields(c)
			if !strings.HasPrefix(args[2], "./0") {
				continue
			}
			steps++
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = ".." // standard input is empty, so -pause doesn't wait
			out, err := cmd.Output()
			require.NoError(t, err, "%s\n%s", c, out)
			words := len(strings.Fields(string(out)))
			require.Greater(t, words, 10, "%s printed hardly anything: %s", c, out)
			require.LessOrEqual(t, words, s.minutes*pace, "%s: %d words do not fit into %d minutes", c, words, s.minutes)
		}
	}
	require.Equal(t, 8, steps, "the steps of the hour")
}
