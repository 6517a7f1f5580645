package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An event is a row of docs/timeline.csv.
type event struct {
	at          time.Time // its first day, as far as it is known
	exact       bool      // to the month; else only the year is known
	kind, label string
}

func events(kit string) ([]event, error) {
	const name = "docs/timeline.csv"
	f, err := os.Open(filepath.Join(kit, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var list []event
	for i, r := range rows {
		if i == 0 {
			continue // the names of the columns: date, kind, label, what, source
		}
		if len(r) < 3 || r[2] == "" {
			return nil, fmt.Errorf("%s: row %d has no label", name, i+1)
		}
		e := event{exact: strings.Contains(r[0], "-"), kind: r[1], label: r[2]}
		layout := "2006"
		if e.exact {
			layout = "2006-01"
		}
		if e.at, err = time.Parse(layout, r[0]); err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", name, i+1, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// The axis of the timeline: where it begins, and pixels a year. What was before stands on its left.
const (
	axisYear       = 2000
	axisX, oneYear = 150, 33
	axisEnd        = 928 // no text reaches beyond
)

// A mark is an event in its lane: a dot for a month, a bar for a year.
type mark struct {
	x, w  int
	label string
	textX int
	row   int
}

// marks are the events of a kind, each in the first row that has room for its words, and how many rows that takes.
func marks(all []event, kind string) (list []mark, rows int) {
	var taken []int // up to where each row is
	for _, e := range all {
		if e.kind != kind {
			continue
		}
		m := mark{x: 42, w: 10, label: fmt.Sprintf("~%d %s", e.at.Year(), e.label)}
		if e.at.Year() >= axisYear {
			m.x = axisX + (e.at.Year()-axisYear)*oneYear + (int(e.at.Month())-1)*oneYear/12
			if !e.exact {
				m.w = oneYear
			}
		}
		st, text := styled(m.label)
		wide := int(width(st, text)) + 1
		m.textX = m.x + m.w + 5
		begin, end := m.x, m.textX+wide
		if end > axisEnd { // the words stand before it
			m.textX = m.x - 5 - wide
			begin, end = m.textX, m.x+m.w
		}
		for m.row < len(taken) && taken[m.row]+10 > begin {
			m.row++
		}
		if m.row == len(taken) {
			taken = append(taken, 0)
		}
		taken[m.row] = end
		list = append(list, m)
	}
	return list, len(taken)
}

// timeline draws a lane for each kind of event.
func timeline(kit string) (*canvas, error) {
	all, err := events(kit)
	if err != nil {
		return nil, err
	}
	const row = 24
	c := newCanvas(960, 0, "From chroot to containers")
	c.text(36, 80, "~before")
	for year := axisYear; year <= axisYear+20; year += 5 {
		c.text(axisX+(year-axisYear)*oneYear, 80, fmt.Sprintf("~%d", year))
	}
	y, drawn := 90, 0
	for _, lane := range []struct{ kind, color, title string }{
		{"before", "plain", "before Linux could, and elsewhere"},
		{"namespace", "violet", "namespaces: what a process sees"},
		{"cgroup", "amber", "cgroups: what it may use"},
		{"tool", "green", "tools"},
		{"standard", "blue", "standards"},
	} {
		list, rows := marks(all, lane.kind)
		c.box(24, y, 912, 34+rows*row, "plain")
		c.text(36, y+21, "*"+lane.title)
		for _, m := range list {
			at := y + 30 + m.row*row
			c.box(m.x, at+4, m.w, 10, "head "+lane.color)
			c.text(m.textX, at+14, m.label)
		}
		drawn += len(list)
		y += 34 + rows*row + 10
	}
	if drawn != len(all) {
		return nil, fmt.Errorf("%d of %d events are of a kind that has no lane", len(all)-drawn, len(all))
	}
	c.h = y + 30
	c.text(36, y+14, "~a dot is a month; a bar is a year of which the source does not tell the month")
	return c, nil
}
