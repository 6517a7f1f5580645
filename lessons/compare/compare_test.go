package compare

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	require.Zero(t, spread(nil))
	require.Equal(t, Spread{N: 1, Median: 2, Low: 2, High: 2}, spread([]time.Duration{2 * time.Millisecond}))
	var times []time.Duration
	for i := 11; i > 0; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	require.Equal(t, Spread{N: 11, Median: 6, Low: 2, High: 10}, spread(times))
	require.Equal(t, 1.5, spread([]time.Duration{time.Millisecond, 2 * time.Millisecond}).Median)
}

// The plot fits, and ten times the time is one step more.
func TestWrite(t *testing.T) {
	rows := []Row{
		{Name: "process", Made: "a process", Start: Spread{N: 3, Median: 1}, Whole: Spread{Median: 1}, Memory: 2},
		{Name: "container", Made: "a container", Start: Spread{N: 3, Median: 10}, Whole: Spread{Median: 11}, Memory: 5},
		{Name: "other", Missing: "not installed"},
		{Name: "vm", Made: "a machine", Start: Spread{N: 3, Median: 10000}, Whole: Spread{Median: 11000}},
	}
	for _, width := range []int{60, 80} {
		var b strings.Builder
		plot(&b, rows, width)
		bars := map[string]int{}
		for line := range strings.Lines(b.String()) {
			require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), width, line)
			bars[strings.Fields(line)[0]] = strings.Count(line, "#")
		}
		require.NotContains(t, bars, "other")
		step := bars["container"] - bars["process"]
		require.Positive(t, step)
		require.Equal(t, 3*step, bars["vm"]-bars["container"])
	}
	var b strings.Builder
	Write(&b, rows, 80)
	require.Contains(t, b.String(), "not measured: not installed")
	require.Contains(t, b.String(), "10.00 s")
	require.NotContains(t, b.String(), "NaN")
}
