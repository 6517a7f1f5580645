package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// A Config says how often, and of which kit.
type Config struct {
	Root    string // the kit's directory
	Rounds  int
	VMs     int      // rounds with the virtual machines, which take seconds each
	Lessons []string // the command that is `go run ./lessons`, for its vm
	Tell    func(line string)
}

// A Row is a kind of start, and what was measured of it.
type Row struct {
	Name    string  `json:"name"`
	Made    string  `json:"made"`              // of what: namespaces, limits, a kernel
	Start   Spread  `json:"start_ms"`          // until the first byte of output
	Whole   Spread  `json:"whole_ms"`          // until all of it has ended
	Memory  float64 `json:"memory_mib"`        // of the processes, while the program idles; 0: could not be read
	Disk    float64 `json:"disk_mib"`          // programs and kernel that must be there
	Missing string  `json:"missing,omitempty"` // why it was not measured
}

// A Spread is the middle of several times, in milliseconds.
type Spread struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	Low    float64 `json:"p10"`
	High   float64 `json:"p90"`
}

func spread(times []time.Duration) (s Spread) {
	if len(times) == 0 {
		return s
	}
	t := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 { return float64(t[int(math.Round(q*float64(len(t)-1)))].Microseconds()) / 1000 }
	s = Spread{N: len(t), Median: at(0.5), Low: at(0.1), High: at(0.9)}
	if n := len(t); n%2 == 0 {
		s.Median = float64((t[n/2-1] + t[n/2]).Microseconds()) / 2000
	}
	return s
}

// Write prints the table and the plot, in lines of no more than width columns.
func Write(w io.Writer, rows []Row, width int) {
	fmt.Fprintf(w, "%-14s %10s %17s %10s %9s %8s\n", "", "first byte", "p10 – p90", "to the end", "memory", "on disk")
	base := 0.0
	for _, r := range rows {
		if r.Missing != "" {
			continue
		}
		if base == 0 {
			base = r.Start.Median
		}
		memory := "?"
		if r.Memory > 0 {
			memory = fmt.Sprintf("%.1f MiB", r.Memory)
		}
		fmt.Fprintf(w, "%-14s %10s %17s %10s %9s %8s\n", r.Name, ms(r.Start.Median), ms(r.Start.Low)+" – "+ms(r.Start.High), ms(r.Whole.Median), memory, fmt.Sprintf("%.0f MiB", r.Disk))
	}
	fmt.Fprintln(w, "\ntime to the first byte, each mark ten times the one before")
	plot(w, rows, width)
	for _, r := range rows {
		if r.Missing != "" {
			fmt.Fprintf(w, "%-14s not measured: %s\n", r.Name, r.Missing)
		}
	}
	fmt.Fprintln(w, "\nwhat they are")
	for _, r := range rows {
		if r.Missing == "" {
			fmt.Fprintf(w, "%-14s %s\n", r.Name, r.Made)
		}
	}
}

func ms(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.2f s", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}

// plot draws a bar for each row on a logarithmic scale that begins at 0.1 ms.
func plot(w io.Writer, rows []Row, width int) {
	const name, first = 15, 0.1
	longest := 0.0
	for _, r := range rows {
		longest = max(longest, r.Start.Median)
	}
	decades := max(1, int(math.Ceil(math.Log10(max(longest, 1)/first))))
	step := max(4, (width-name-10)/decades) // the bar's time stands behind it
	axis := strings.Repeat(" ", name)
	for d := range decades {
		label := "|" + []string{"0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"}[min(d, 6)]
		if len(label) >= step {
			label = "|"
		}
		axis += label + strings.Repeat(" ", step-len(label))
	}
	fmt.Fprintln(w, strings.TrimRight(axis, " "))
	for _, r := range rows {
		if r.Missing != "" {
			continue
		}
		length := max(1, int(math.Round(math.Log10(max(r.Start.Median, first)/first)*float64(step))))
		fmt.Fprintf(w, "%-*s%s %s\n", name, r.Name, strings.Repeat("#", length), ms(r.Start.Median))
	}
}
