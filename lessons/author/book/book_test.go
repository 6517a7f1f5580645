package book

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small kit with a book of two chapters, of which the first comes second in the directory.
func kit(t *testing.T) string {
	root := t.TempDir()
	for name, text := range map[string]string{
		"docs/README.md":          "# The book\n\n- [2-two.md](2-two.md#x): second.\n- [one](one.md), and [vm/](vm/), [nothing](gone.md), [a picture](p.svg), [the world](https://example.org/a.md)\n- [again](one.md)\n",
		"docs/one.md":             "# One\n",
		"docs/vm/README.md":       "# The VM\n",
		"docs/p.svg":              "",
		"docs/2-two.md":           page,
		"02-namespaces/README.md": "# 02\n\n## pid\n\nThe lesson.\n\n## uts\n\nAnother.\n",
		"02-namespaces/uts.go":    "",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

const page = "# Two\n\n<!-- from: table x.csv\n  y -->\n| a |\n<!-- end -->\n" +
	"See [One](one.md), [`uts.go`](../02-namespaces/uts.go), [that](../02-namespaces/uts.go), [above](#two), [pid](../02-namespaces/README.md#pid), [the VM](vm/),\n" +
	"[there](https://example.org/), <!-- from: line x -->[02-namespaces/uts.go:7](../02-namespaces/uts.go#L7)<!-- end -->, `[no](link)` and `<!-- no comment -->`.\n\n" +
	"![A picture of\nit](p.svg)\n\n```sh\n$ go run ./02-namespaces uts\n[kept](one.md) <!-- kept -->\n```\n\n    go test ./...   # all\n    [kept](one.md)\n\n" +
	"Why?\n\n<details><summary>Answer</summary>\n\nSo.\n\n</details>\n\nOn.\n"

func TestPlain(t *testing.T) {
	root := kit(t)
	c, err := Find(root, "two")
	require.NoError(t, err)
	require.Equal(t, Chapter{"2-two", "Two", "docs/2-two.md", ""}, c)
	plain, err := c.Plain(root)
	require.NoError(t, err)
	require.Equal(t, "# Two\n\n| a |\n"+
		"See One (read one), `uts.go`, that (02-namespaces/uts.go), above, pid (read 02-namespaces/pid), the VM (read vm),\n"+
		"[there](https://example.org/), 02-namespaces/uts.go:7, `[no](link)` and `<!-- no comment -->`.\n\n"+
		"*Picture: A picture of\nit* (docs/p.svg)\n\n```sh\n$ go run ./02-namespaces uts\n[kept](one.md) <!-- kept -->\n```\n\n    go test ./...   # all\n    [kept](one.md)\n\n"+
		"Why?\n\nAnswer\n\nSo.\n\nOn.\n", plain)
	commands, err := c.Commands(root)
	require.NoError(t, err)
	require.Equal(t, []string{"go run ./02-namespaces uts", "go test ./..."}, commands)
}

func TestContents(t *testing.T) {
	list, err := Contents(kit(t))
	require.NoError(t, err)
	var names []string
	for _, c := range list {
		names = append(names, c.Name+": "+c.Title)
	}
	require.Equal(t, []string{"2-two: Two", "one: One", "vm: The VM", "02-namespaces: 02"}, names)
}

func TestFind(t *testing.T) {
	root := kit(t)
	for asked, want := range map[string]string{"one": "one", "2-two": "2-two", "docs/one.md": "one", "02-namespaces/": "02-namespaces", "pid": "02-namespaces/pid"} {
		c, err := Find(root, asked)
		require.NoError(t, err)
		require.Equal(t, want, c.Name)
	}
	_, err := Find(root, "onne")
	require.ErrorContains(t, err, `no chapter "onne"; did you mean "one"?`)
	c, err := Find(root, "pid")
	require.NoError(t, err)
	text, err := c.Text(root)
	require.NoError(t, err)
	require.Equal(t, "# 02-namespaces/pid\n\nThe lesson.\n", text)
}

func TestBlocks(t *testing.T) {
	require.Equal(t, []Block{
		{false, "# X\n\n- item\n\n    of it\n\ntext\n\n"},
		{true, "    code\n"}, {false, "\n"}, {true, "    more\n"}, {false, "\n"},
		{true, "```\nfenced\n\n# no heading\n```\n"}, {true, "```\nagain\n```\n"}, {false, "text\n    of a paragraph\n"},
	}, Blocks("# X\n\n- item\n\n    of it\n\ntext\n\n    code\n\n    more\n\n```\nfenced\n\n# no heading\n```\n```\nagain\n```\ntext\n    of a paragraph"))
}
