//go:build linux

package stagetest

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/stage"
)

// statusRow matches a row of the table of exit statuses: the status, and the example in backquotes.
// A status after the example replaces that of the first column.
var statusRow = regexp.MustCompile("(?m)^\\| ([0-9n +to]+) \\| .* \\| `(.*?)`(?: is ([0-9]+))?.* \\|$")

// StatusTable runs each example in the book's table of exit statuses with the stage and one of its
// steps.
func StatusTable(t *testing.T, step string) {
	page, err := os.ReadFile("../docs/troubleshooting.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "\n## Exit statuses\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	rows := statusRow.FindAllStringSubmatch(table, -1)
	require.Len(t, rows, 8, "the rows of the table")
	each(t, func(t *testing.T, r *Runner) {
		for _, row := range rows {
			status := row[3]
			if status == "" {
				status = row[1]
			}
			r.example(t, row[2], status, step)
		}
	})
}

// example runs an example of the table. It must exit with the status want.
func (r *Runner) example(t *testing.T, command, want, step string) {
	t.Helper()
	if why := errno.NoUserNamespace(); why != "" && strings.Contains(command, "unshare") {
		t.Log(why)
		return
	}
	command = strings.NewReplacer("STAGE", "'"+r.executable(t)+"'", "STEP", step).Replace(command)
	out, err := r.shell(t, command)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = stage.Status(exit.ProcessState)
	}
	if status == 0 && strings.Contains(out, "  – ") {
		t.Log(out) // the step cannot run here: see the row of status 0
		return
	}
	require.Equal(t, want, strconv.Itoa(status), "%s\n%s", command, out)
}
