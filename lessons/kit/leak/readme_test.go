//go:build linux

package leak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/child"
)

var update = flag.Bool("update", false, "write the table of docs/leaks.md")

func TestMain(m *testing.M) {
	child.Init()
	os.Exit(m.Run())
}

// The table of docs/leaks.md has the promises of the probes. TestLeaks of each stage compares the
// stage with them.
func TestTableOfTheBook(t *testing.T) {
	const file, begin, end = "../../../docs/leaks.md", "<!-- leaks: go test ./lessons/kit/leak -update -->\n", "<!-- end -->"
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok, "docs/leaks.md has no %s", begin)
	is, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+begin+markdown()+end+after), 0o644))
		return
	}
	require.Equal(t, markdown(), is, "go test ./lessons/kit/leak -update writes it")
}

func markdown() string {
	var b strings.Builder
	b.WriteString("| can it… | 01 | 02 | 03 | 04 | 05 |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, p := range Probes {
		fmt.Fprintf(&b, "| %s?", p.Attack)
		for stage := 1; stage <= 5; stage++ {
			root, user := p.Leaks(stage, true, true), p.Leaks(stage, false, true)
			switch {
			case root && user:
				b.WriteString(" | leaks")
			case root:
				b.WriteString(" | leaks for root")
			case user:
				b.WriteString(" | leaks for a user")
			case p.Limit:
				b.WriteString(" | sealed¹")
			default:
				b.WriteString(" | sealed")
			}
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// A probe that a stage seals for root stays sealed at every later stage. (Not for an ordinary user:
// a user namespace grants privileges that only stage 05 drops.)
func TestPromises(t *testing.T) {
	require.GreaterOrEqual(t, len(Probes), 20)
	seen := map[string]bool{}
	for _, p := range Probes {
		require.False(t, seen[p.Name], "two probes named %s", p.Name)
		seen[p.Name] = true
		require.Len(t, p.Root, 5, p.Name)
		require.Len(t, p.User, 5, p.Name)
		require.LessOrEqual(t, len(p.Attack), 29, "%s: too long for its column", p.Name)
		require.NotContains(t, p.Root, "SL", "%s: a later stage leaks again", p.Name)
		if p.Root[4] == 'L' || p.User[4] == 'L' {
			require.NotEmpty(t, p.Later, "%s leaks at the end: name what would seal it", p.Name)
		}
	}
}

// Without a container, every probe leaks for root: otherwise a seal would prove nothing.
func TestEveryProbeCanLeak(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user can't do all that the probes try; run this test as root")
	}
	// Never unlocked: the thread gets its own mount namespace, and its exit kills its children.
	runtime.LockOSThread()
	findings, err := Run(1, true, false, plain)
	require.NoError(t, err)
	for _, f := range findings {
		if f.Cannot != "" {
			t.Logf("%s: %s", f.Name, f.Cannot)
			continue
		}
		require.True(t, f.Leaked, "%s is sealed without any container: %s", f.Name, f.Saw)
	}
}
