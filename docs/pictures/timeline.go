package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lanes are the kinds of events in docs/timeline.csv, from left to right.
var lanes = []struct{ kind, colour, name string }{
	{"before", "plain", "before, and elsewhere"},
	{"cgroup", "amber", "budgets: cgroups"},
	{"namespace", "violet", "views: namespaces"},
	{"tool", "green", "tools"},
	{"standard", "blue", "standards"},
}

// timeline draws docs/timeline.csv: a line for each event, in the order of time, with its mark in the lane of its kind.
func timeline(kit string) (*canvas, error) {
	f, err := os.Open(filepath.Join(kit, "docs", "timeline.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	rows = rows[1:] // the names of the columns
	const top, step = 112, 26
	bottom := top + len(rows)*step
	c := newCanvas(960, bottom+20, "How it came to be")
	at := map[string]int{}
	for i, l := range lanes {
		at[l.kind] = i
		c.box(24+i*184, 56, 176, 30, l.colour, "~"+l.name)
	}
	x := func(lane int) int { return 104 + lane*24 }
	for i, l := range lanes {
		c.line(l.colour, x(i), top-8, x(i), bottom)
	}
	year := ""
	for i, r := range rows {
		lane, ok := at[r[1]]
		if !ok {
			return nil, fmt.Errorf("timeline.csv: no lane for the kind %q", r[1])
		}
		y := top + i*step
		if this, _, _ := strings.Cut(r[0], "-"); this != year {
			year = this
			c.text(32, y+14, "*"+year)
		}
		c.box(x(lane)-8, y+2, 16, 16, lanes[lane].colour)
		c.text(230, y+14, "~"+r[2])
	}
	return c, nil
}
