package main

import (
	"encoding/xml"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files are what the program draws from the code as it is, every text stands where it can be read, and some page
// shows each.
func TestPictures(t *testing.T) {
	kit, err := findKit()
	require.NoError(t, err)
	pages := ""
	for _, pattern := range []string{"*.md", "0*/*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(kit, pattern))
		require.NoError(t, err)
		for _, f := range files {
			pages += read(t, f)
		}
	}
	drawn := map[string]bool{}
	for _, p := range pictures {
		t.Run(p.name, func(t *testing.T) {
			c, err := p.draw(kit)
			require.NoError(t, err)
			require.Empty(t, c.faults())
			svg := c.svg()
			// True, not Equal: of a stale picture one wants the command, not the two of them in full.
			require.True(t, svg == read(t, filepath.Join(kit, dir, p.name+".svg")), "%s.svg is stale: go run ./docs/pictures", p.name)
			d := xml.NewDecoder(strings.NewReader(svg))
			for err = nil; err == nil; {
				_, err = d.Token()
			}
			require.ErrorIs(t, err, io.EOF, "well-formed XML")
			require.Contains(t, pages, "pictures/"+p.name+".svg)", "no page shows it")
		})
		drawn[p.name+".svg"] = true
	}
	files, err := filepath.Glob(filepath.Join(kit, dir, "*.svg"))
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, drawn[filepath.Base(f)], "nobody draws %s", f)
	}
}

// read is the text of a file, whatever ends its lines in this checkout.
func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.ReplaceAll(string(raw), "\r\n", "\n")
}

// What cannot be read is found.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		draw        func(c *canvas)
	}{
		{"a text too long for its box", `"much too long for it" crosses the border`, func(c *canvas) { c.box(100, 100, 60, 40, "plain", "much too long for it") }},
		{"a text at the edge", "reaches out of the picture", func(c *canvas) { c.text(380, 100, "wider than what is left") }},
		{"a text on another", `"above" lies on "below"`, func(c *canvas) { c.text(100, 100, "below"); c.text(110, 105, "above") }},
		{"a slanted line through a text", `is crossed by the line from 100,60 to 200,140`, func(c *canvas) { c.text(100, 100, "crossed out"); c.line("red", 100, 60, 200, 140) }},
		{"a text in its box", "", func(c *canvas) { c.box(100, 100, 100, 40, "plain", "fits") }},
		{"a line beside a text", "", func(c *canvas) { c.text(100, 100, "free"); c.arrow("red", 100, 110, 200, 110) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			picture := newCanvas(400, 200, "A picture")
			c.draw(picture)
			faults := picture.faults()
			if c.fault == "" {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Contains(t, faults[0], c.fault)
		})
	}
}

// Pictures that tell what code or data know tell an error where these do not say it.
func TestCodeThatDoesNotSay(t *testing.T) {
	for _, c := range []struct{ file, text, fault string }{
		{"02-namespaces/namespace/set.go", "package namespace\nconst PID = unix.CLONE_NEWPID\n", "0 kinds"},
		{"05-full/container/order.go", "package container\nvar o = []Part{\n\tBorn,\n}\n", "Born does not say why"},
		{"05-full/container/order.go", "package container\n", "lists no parts"},
		{"docs/timeline.csv", "date,kind,label,what,source\n2008,tool,,LXC,x\n", "row 2 has no label"},
		{"docs/timeline.csv", "date,kind,label,what,source\n2008-13,tool,LXC,LXC,x\n", "month out of range"},
		{"docs/timeline.csv", "date,kind,label,what,source\n2008,toy,LXC,LXC,x\n", "1 of 1 events are of a kind that has no lane"},
	} {
		kit := t.TempDir()
		file := filepath.Join(kit, filepath.FromSlash(c.file))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o644))
		var err error
		switch path.Dir(c.file) {
		case "docs":
			_, err = timeline(kit)
		case "05-full/container":
			_, err = parts(kit)
		default:
			_, err = kinds(kit)
		}
		require.ErrorContains(t, err, c.fault)
	}
}
