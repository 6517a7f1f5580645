package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// A Report is what a run has measured, on which machine, when and how: what compare -json prints, and what the book's
// figures are made of (docs/compare.json).
type Report struct {
	Date    string  `json:"date"` // 2006-01-02
	Machine Machine `json:"machine"`
	Rounds  int     `json:"rounds"`
	VMs     int     `json:"rounds_with_vm"`
	Rows    []Row   `json:"rows"`
}

// A Machine is as much as a figure needs to be compared with another one's.
type Machine struct {
	Kernel    string  `json:"kernel"`
	Arch      string  `json:"arch"`
	Processor string  `json:"processor,omitempty"`
	CPUs      int     `json:"cpus"`
	Memory    float64 `json:"memory_gib"`
	Virtual   bool    `json:"virtual"`          // a virtual machine itself
	Cgroup    string  `json:"cgroup"`           // the version of its controllers
	Root      bool    `json:"root"`             // measured as root
	NoKVM     string  `json:"no_kvm,omitempty"` // why the machine's processors do not run a guest themselves
}

func (m Machine) String() string {
	who := map[bool]string{true: "root", false: "an ordinary user"}[m.Root]
	s := fmt.Sprintf("Linux %s, %s, %d CPUs", m.Kernel, m.Arch, m.CPUs)
	if m.Processor != "" {
		s += " (" + m.Processor + ")"
	}
	s += fmt.Sprintf(", %.0f GiB, %s, as %s", m.Memory, m.Cgroup, who)
	if m.Virtual {
		s += "; it is a virtual machine itself"
	}
	if m.NoKVM != "" {
		s += "; QEMU emulates the processor: " + m.NoKVM
	}
	return s
}

// Source makes what a page tells of a saved report, for its regions (package lint):
//
//	compare FILE table               all rows
//	compare FILE machine             where, when and how
//	compare FILE NAME WHAT           a figure of a row: start, whole, memory or disk
//	compare FILE NAME/OTHER WHAT     how many times the other's it is
func Source(root, _ string, args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("want compare FILE table, machine, or NAME WHAT")
	}
	raw, err := os.ReadFile(filepath.Join(root, args[0]))
	if err != nil {
		return "", fmt.Errorf("there is no %s: go run ./lessons compare -json >%s", args[0], args[0])
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return "", fmt.Errorf("%s: %w", args[0], err)
	}
	switch {
	case args[1] == "table":
		return r.table(), nil
	case args[1] == "machine":
		return fmt.Sprintf("Measured on %s by `go run ./lessons compare -json -n %d -vm %d`: the kinds in turns, the median of %d rounds (%d with virtual machines). The machine: %s.",
			r.Date, r.Rounds, r.VMs, r.Rounds, r.VMs, r.Machine), nil
	case len(args) != 3:
		return "", fmt.Errorf("%s of what? start, whole, memory or disk", args[1])
	}
	name, other, ratio := strings.Cut(strings.Trim(args[1], `"`), "/")
	v, unit, err := r.figure(name, args[2])
	if err != nil || !ratio {
		return unit, err
	}
	base, _, err := r.figure(other, args[2])
	return times(v / base), err
}

// figure looks up a figure, as a number and as it is written.
func (r Report) figure(name, what string) (v float64, text string, err error) {
	for _, row := range r.Rows {
		if row.Name != name {
			continue
		}
		if row.Missing != "" {
			return 0, "", fmt.Errorf("%s was not measured: %s", name, row.Missing)
		}
		switch what {
		case "start":
			return row.Start.Median, ms(row.Start.Median), nil
		case "whole":
			return row.Whole.Median, ms(row.Whole.Median), nil
		case "memory":
			return row.Memory, mib(row.Memory), nil
		case "disk":
			return row.Disk, mib(row.Disk), nil
		}
		return 0, "", fmt.Errorf("a row has start, whole, memory and disk, and no %s", what)
	}
	return 0, "", fmt.Errorf("there is no row %s", name)
}

// times writes a ratio with two digits that count: more would promise what no machine keeps.
func times(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return fmt.Sprintf("%.0f", math.Round(v/unit)*unit)
}

func mib(v float64) string {
	switch {
	case v <= 0:
		return "?"
	case v < 10:
		return fmt.Sprintf("%.1f MiB", v)
	}
	return fmt.Sprintf("%.0f MiB", v)
}

// table writes the rows as a table of Markdown.
func (r Report) table() string {
	var b strings.Builder
	b.WriteString("| | first byte | 10 % – 90 % | to the end | memory | on disk | made of |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range r.Rows {
		if row.Missing != "" {
			fmt.Fprintf(&b, "| %s | not measured: %s | | | | | |\n", row.Name, strings.ReplaceAll(row.Missing, "|", `\|`))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s – %s | %s | %s | %s | %s |\n", row.Name, ms(row.Start.Median), ms(row.Start.Low), ms(row.Start.High),
			ms(row.Whole.Median), mib(row.Memory), mib(row.Disk), row.Made)
	}
	return b.String()
}
