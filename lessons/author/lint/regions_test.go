package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page with a region of each kind, as lint -fix writes it.
var made = map[string]string{
	"docs/made.md": "# Made\n\n<!-- from: code 01-a/p/two.go T.Two -->\n```go\n// Two is two.\nfunc (t *T) Two() int { return number }\n```\n\n[01-a/p/two.go:10](../01-a/p/two.go#L10)\n<!-- end -->\n\n" +
		"See <!-- from: line 01-a/p/two.go T -->[01-a/p/two.go:3](../01-a/p/two.go#L3)<!-- end --> and\n" +
		"its <!-- from: line 01-a/p/two.go \"return number\" -->[01-a/p/two.go:10](../01-a/p/two.go#L10)<!-- end -->.\n\n" +
		"<!-- from: table docs/t.csv what \"when=long ago\" -->\n| what |\n| --- |\n| this \\| that |\n<!-- end -->\n\n" +
		"<!-- from: said a -->\na of docs/made.md\n<!-- end -->\n\nA region begins with `<!-- from: SOURCE -->`.\n",
	"docs/README.md": "[One](1-one.md), [Made](made.md)\n",
	"docs/t.csv":     "when,what\nlong ago,this | that\nyesterday,else\n",
	"01-a/p/two.go":  "package p\n\ntype T struct{}\n\nconst (\n\tnumber = 2\n)\n\n// Two is two.\nfunc (t *T) Two() int { return number }\n",
}

func madeKit(t *testing.T, file, old, new string) Kit {
	t.Helper()
	changed := map[string]string{}
	for name, text := range made {
		if name == file {
			require.Contains(t, text, old)
			text = strings.Replace(text, old, new, 1)
		}
		changed[name] = text
	}
	return goodKit(t, changed)
}

func TestRegionsThatAreTrueHaveNoProblem(t *testing.T) {
	require.Empty(t, said(t, madeKit(t, "", "", "")))
}

// What makes a region stale is found, and written again; the page is then as it was, except for what has changed.
func TestStaleRegionsAreFoundAndMended(t *testing.T) {
	const page, source = "docs/made.md", "01-a/p/two.go"
	for name, c := range map[string]struct{ file, old, new, where, then string }{
		"the code has changed":    {source, "return number }", "return number + 1 }", page + ":3:", "func (t *T) Two() int { return number + 1 }"},
		"the code has moved":      {source, "type T", "\ntype T", page + ":3:", "../01-a/p/two.go#L11"},
		"the type has moved":      {source, "type T", "\ntype T", page + ":12:", "../01-a/p/two.go#L4"},
		"the data have changed":   {"docs/t.csv", "this |", "that |", page + ":15:", `| that \| that |`},
		"the text was written to": {page, "| this ", "| these ", page + ":15:", `| this \| that |`},
		"a line was written to":   {page, "#L3)", "#L4)", page + ":12:", "../01-a/p/two.go#L3"},
		"another source's":        {page, "a of docs", "b of docs", page + ":21:", "a of docs/made.md"},
	} {
		t.Run(name, func(t *testing.T) {
			k := madeKit(t, c.file, c.old, c.new)
			require.Regexp(t, "(?m)^"+quote(c.where)+".*lint -fix", said(t, k))
			written, err := k.Fill()
			require.NoError(t, err)
			require.Equal(t, []string{page}, written)
			require.Empty(t, said(t, k))
			now, err := os.ReadFile(filepath.Join(k.Root, page))
			require.NoError(t, err)
			require.Contains(t, string(now), c.then)
			if c.file == page {
				require.Equal(t, made[page], string(now))
			}
			written, err = k.Fill()
			require.NoError(t, err)
			require.Empty(t, written)
		})
	}
}

// What no source can fix is reported, and -fix leaves it alone.
func TestRegionsThatCannotBeMade(t *testing.T) {
	const page = "docs/made.md"
	for name, c := range map[string]struct{ old, new, says string }{
		"no such source":        {"from: said a", "from: sung a", "there is no source sung; there are code, line, said, table"},
		"no source at all":      {"from: said a", "from: ", "names no source"},
		"a source that refuses": {"from: said a", "from: said", "say something"},
		"no such file":          {"line 01-a/p/two.go T", "line 01-a/p/three.go T", "there is no 01-a/p/three.go"},
		"no such name":          {"T.Two", "T.Three", "01-a/p/two.go declares no T.Three"},
		"no such text":          {`"return number"`, `"return 5"`, `has no line with "return 5"`},
		"a text of two lines":   {`"return number"`, `"number"`, `has "number" in lines 6 and 10`},
		"no such column":        {"docs/t.csv what", "docs/t.csv why", "has no column why; it has when, what"},
		"no such table":         {"docs/t.csv", "docs/u.csv", "there is no docs/u.csv"},
		"no end":                {"number }\n```\n\n[01-a/p/two.go:10](../01-a/p/two.go#L10)\n<!-- end -->", "number }\n```", "has no <!-- end --> of its own"},
		"no end below":          {"made.md\n<!-- end -->", "made.md", "has no <!-- end -->, or"},
		"a line that it begins": {"See <!-- from", "<!-- from", "put a word before it"},
		"a block in a line":     {"-->\n| what", "-->| what", "begin them on a line of their own"},
	} {
		t.Run(name, func(t *testing.T) {
			k := madeKit(t, page, c.old, c.new)
			require.Contains(t, said(t, k), c.says)
			_, err := k.Fill()
			require.NoError(t, err)
			require.Contains(t, said(t, k), c.says)
		})
	}
}

func TestFindKnowsEveryKindOfDeclaration(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "x.go"), []byte("package x\n\n// A is.\nconst A = 1\n\nvar (\n\t// B is.\n\tB, C = 1, 2\n)\n\n// D is.\ntype D[T any] struct{}\n\nfunc E() {}\n"), 0o644))
	for name, want := range map[string]declaration{
		"A": {"// A is.\nconst A = 1", 4},
		"C": {"// B is.\n\tB, C = 1, 2", 8},
		"D": {"// D is.\ntype D[T any] struct{}", 12},
		"E": {"func E() {}", 14},
	} {
		d, err := find(root, "x.go", name)
		require.NoError(t, err)
		require.Equal(t, want, d)
	}
	_, err := find(root, "x.go", "F")
	require.ErrorContains(t, err, "x.go declares no F")
}
