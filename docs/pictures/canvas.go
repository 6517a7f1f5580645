package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A canvas collects a picture, and what is needed to say whether it can be read.
type canvas struct {
	title string
	w, h  int
	body  strings.Builder
	texts []written
	boxes []area
	lines []segment
}

// An area is a rectangle. Its numbers are whole, so that a picture is the same file on every machine.
type area struct{ x, y, w, h int }

// A written text, and where it stands.
type written struct {
	text       string
	x, y, w, h float64
}

type segment struct{ x1, y1, x2, y2 float64 }

// newCanvas is an empty picture with its title.
func newCanvas(w, h int, title string) *canvas {
	c := &canvas{title: title, w: w, h: h}
	c.text(24, 36, "#"+title)
	return c
}

// A style is what the first character of a text stands for.
type style struct {
	class string
	size  float64
	line  int // to the next line
}

var (
	plain  = style{"t", 15, 20}
	styles = map[byte]style{
		'#': {"t title", 19, 26},
		'*': {"t bold", 15, 20},
		'`': {"t mono", 13, 18},
		'~': {"t small", 13, 18},
	}
)

func styled(s string) (style, string) {
	if s != "" {
		if st, ok := styles[s[0]]; ok {
			return st, s[1:]
		}
	}
	return plain, s
}

// width estimates how wide a text is. The numbers are those of DejaVu Sans, the widest of the fonts that systems come
// with: what fits with it fits everywhere.
func width(st style, s string) float64 {
	if strings.Contains(st.class, "mono") {
		return float64(len([]rune(s))) * 0.61 * st.size
	}
	em := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("ijlI'|", r):
			em += 0.3
		case strings.ContainsRune(".,:; ·", r):
			em += 0.33
		case strings.ContainsRune("frt()[]-/!", r):
			em += 0.4
		case strings.ContainsRune("csz_*", r):
			em += 0.54
		case strings.ContainsRune("mwMW…→←↔×—@%+=<>", r):
			em += 0.95
		case r >= 'A' && r <= 'Z':
			em += 0.72
		default:
			em += 0.63
		}
	}
	if strings.Contains(st.class, "bold") || strings.Contains(st.class, "title") {
		em *= 1.1
	}
	return em * st.size
}

// text writes a line that begins at x, with its baseline at y.
func (c *canvas) text(x, y int, s string) { c.write(float64(x), y, "start", s) }

// centre writes a line with its middle at x.
func (c *canvas) centre(x, y int, s string) { c.write(float64(x), y, "middle", s) }

func (c *canvas) write(x float64, y int, anchor, s string) {
	st, s := styled(s)
	w := width(st, s)
	left := x
	if anchor == "middle" {
		left -= w / 2
	}
	c.texts = append(c.texts, written{s, left, float64(y) - 0.78*st.size, w, 1.02 * st.size})
	fmt.Fprintf(&c.body, "<text class=%q x=\"%g\" y=\"%d\" text-anchor=%q>%s</text>\n", st.class, x, y, anchor, html.EscapeString(s))
}

// box draws a box in a color, with lines in the middle of it.
func (c *canvas) box(x, y, w, h int, color string, lines ...string) area {
	a := area{x, y, w, h}
	c.boxes = append(c.boxes, a)
	fmt.Fprintf(&c.body, "<rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", color, x, y, w, h)
	height := 0
	for _, l := range lines {
		st, _ := styled(l)
		height += st.line
	}
	at := y + (h-height)/2
	for _, l := range lines {
		st, _ := styled(l)
		c.centre(x+w/2, at+st.line-5, l)
		at += st.line
	}
	return a
}

// line draws a line through points x, y, x, y, …; arrow puts a head at its end.
func (c *canvas) line(color string, at ...int) { c.draw(color, at, 0) }

func (c *canvas) arrow(color string, at ...int) { c.draw(color, at, 8) }

func (c *canvas) draw(color string, at []int, head float64) {
	var points []string
	for i := 0; i+1 < len(at); i += 2 {
		points = append(points, fmt.Sprintf("%d,%d", at[i], at[i+1]))
		if i > 0 {
			c.lines = append(c.lines, segment{float64(at[i-2]), float64(at[i-1]), float64(at[i]), float64(at[i+1])})
		}
	}
	fmt.Fprintf(&c.body, "<polyline class=\"line %s\" points=%q/>\n", color, strings.Join(points, " "))
	if head == 0 {
		return
	}
	s := c.lines[len(c.lines)-1]
	angle := math.Atan2(s.y2-s.y1, s.x2-s.x1)
	corner := func(turn float64) string {
		return fmt.Sprintf("%.0f,%.0f", s.x2+head*math.Cos(angle+turn), s.y2+head*math.Sin(angle+turn))
	}
	fmt.Fprintf(&c.body, "<polygon class=\"head %s\" points=\"%.0f,%.0f %s %s\"/>\n", color, s.x2, s.y2, corner(math.Pi*0.86), corner(-math.Pi*0.86))
}

// faults are the reasons why the picture cannot be read: a text that is not within the picture, that crosses the border
// of a box or a line, or that lies on another text.
func (c *canvas) faults() (list []string) {
	for i, t := range c.texts {
		if t.x < 8 || t.y < 4 || t.x+t.w > float64(c.w-8) || t.y+t.h > float64(c.h-4) {
			list = append(list, fmt.Sprintf("%q reaches out of the picture", t.text))
		}
		for _, u := range c.texts[:i] {
			if t.x < u.x+u.w && u.x < t.x+t.w && t.y < u.y+u.h && u.y < t.y+t.h {
				list = append(list, fmt.Sprintf("%q lies on %q", t.text, u.text))
			}
		}
		for _, b := range c.boxes {
			x, y, x2, y2 := float64(b.x), float64(b.y), float64(b.x+b.w), float64(b.y+b.h)
			outside := t.x+t.w <= x || x2 <= t.x || t.y+t.h <= y || y2 <= t.y
			inside := x+4 <= t.x && t.x+t.w <= x2-4 && y <= t.y && t.y+t.h <= y2
			if !outside && !inside {
				list = append(list, fmt.Sprintf("%q crosses the border of the box at %d,%d", t.text, b.x, b.y))
			}
		}
		for _, s := range c.lines {
			if s.meets(t) {
				list = append(list, fmt.Sprintf("%q is crossed by the line from %g,%g to %g,%g", t.text, s.x1, s.y1, s.x2, s.y2))
			}
		}
	}
	return list
}

// meets reports whether the line touches the text: it cuts the line off at each side of the text, and looks what is left.
func (s segment) meets(t written) bool {
	from, to := 0.0, 1.0
	cut := func(start, way, low, high float64) {
		if way == 0 {
			if start < low || start > high {
				to = -1
			}
			return
		}
		a, b := (low-start)/way, (high-start)/way
		from, to = max(from, min(a, b)), min(to, max(a, b))
	}
	cut(s.x1, s.x2-s.x1, t.x, t.x+t.w)
	cut(s.y1, s.y2-s.y1, t.y, t.y+t.h)
	return from < to
}

// css has the colors of both themes. The picture paints its own background: a page may have another theme than the
// browser, which is the one that an SVG file is told.
const css = `
:root{color-scheme:light dark}
.t{font:15px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328}
.t.title{font-size:19px;font-weight:600}.t.bold{font-weight:600}
.t.small{font-size:13px;fill:#4b535d}
.t.mono{font:13px ui-monospace,Menlo,Consolas,monospace}
.ground{fill:#fff}
.line{fill:none;stroke-width:2}.head{stroke:none}
.plain{fill:#f6f8fa;stroke:#8c959f}.blue{fill:#ddf4ff;stroke:#0969da}.green{fill:#dafbe1;stroke:#1a7f37}
.amber{fill:#fff8c5;stroke:#9a6700}.red{fill:#ffebe9;stroke:#cf222e}.violet{fill:#fbefff;stroke:#8250df}
.gone{fill:none;stroke:#8c959f;stroke-dasharray:5 4}
.grid{fill:#f0f2f4}.mark{fill:#57606a}
.line.plain,.line.blue,.line.green,.line.amber,.line.red,.line.violet{fill:none}
.head.plain{fill:#6e7781}.head.blue{fill:#0969da}.head.green{fill:#1a7f37}.head.amber{fill:#9a6700}.head.red{fill:#cf222e}.head.violet{fill:#8250df}
@media (prefers-color-scheme:dark){
.t{fill:#e6edf3}.t.small{fill:#a9b3bd}.ground{fill:#0d1117}
.plain{fill:#161b22;stroke:#7d8590}.blue{fill:#0d2545;stroke:#58a6ff}.green{fill:#0f2d1a;stroke:#3fb950}
.amber{fill:#302400;stroke:#d29922}.red{fill:#3a1418;stroke:#f85149}.violet{fill:#271a45;stroke:#a371f7}
.gone{stroke:#7d8590}.grid{fill:#161b22}.mark{fill:#adb6c0}
.head.plain{fill:#7d8590}.head.blue{fill:#58a6ff}.head.green{fill:#3fb950}.head.amber{fill:#d29922}.head.red{fill:#f85149}.head.violet{fill:#a371f7}
}
`

// svg is the file.
func (c *canvas) svg() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">
<title id="title">%s</title>
<style>%s</style>
<rect class="ground" width="%d" height="%d" rx="8"/>
%s</svg>
`, c.w, c.h, c.w, c.h, html.EscapeString(c.title), css, c.w, c.h, c.body.String())
}
