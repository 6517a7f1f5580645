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

// plans reads the plans of the teacher's guide, by the minutes that they promise.
func plans(t *testing.T) map[int][]slot {
	found := map[int][]slot{}
	row := regexp.MustCompile(`^\| (\d+) \| (\d+) \|([^|]*)\|`)
	command := regexp.MustCompile("`(go run [^`]*)`")
	promised := 0
	for _, line := range strings.Split(bookPage(t, "teaching.md"), "\n") {
		if m := regexp.MustCompile(`^<!-- plan: (\d+) -->$`).FindStringSubmatch(line); m != nil {
			promised, _ = strconv.Atoi(m[1])
		} else if strings.HasPrefix(line, "## ") {
			promised = 0
		}
		m := row.FindStringSubmatch(line)
		if m == nil || promised == 0 {
			continue
		}
		at, _ := strconv.Atoi(m[1])
		minutes, _ := strconv.Atoi(m[2])
		s := slot{at: at, minutes: minutes}
		for _, c := range command.FindAllStringSubmatch(m[3], -1) {
			s.commands = append(s.commands, c[1])
		}
		found[promised] = append(found[promised], s)
	}
	return found
}

func TestThePlansOfTheTeachersGuideFillTheirHours(t *testing.T) {
	all := plans(t)
	require.Len(t, all, 3)
	for promised, slots := range all {
		at := 0
		for _, s := range slots {
			require.Equal(t, at, s.at, "the plan of %d minutes: each part begins where the one before it ends", promised)
			at += s.minutes
		}
		require.Equal(t, promised, at, "the plan of %d minutes", promised)
	}
}

// A reader in a room takes in so many words in a minute, while somebody points at them.
const pace = 150

func TestTheHourOfTheTeachersGuideIsLongEnoughForItsWords(t *testing.T) {
	steps := 0
	for _, s := range plans(t)[60] {
		for _, c := range s.commands {
			args := strings.Fields(c)
			if !strings.HasPrefix(args[2], "./0") {
				continue
			}
			steps++
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = ".." // standard input is empty, so -pause finds nobody to wait for
			out, err := cmd.Output()
			require.NoError(t, err, "%s\n%s", c, out)
			words := len(strings.Fields(string(out)))
			require.Greater(t, words, 10, "%s printed hardly anything: %s", c, out)
			require.LessOrEqual(t, words, s.minutes*pace, "%s: %d words do not fit into %d minutes", c, words, s.minutes)
		}
	}
	require.Equal(t, 8, steps, "the steps of the hour")
}
