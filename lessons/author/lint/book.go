package lint

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The book is what stands in docs/.
func inBook(p page) bool { return strings.HasPrefix(p.file, "docs/") }

var (
	fence = regexp.MustCompile("^\\s*```+\\s*(\\w*)")
	// What is dated: a year, or a version of the kernel.
	dated = regexp.MustCompile(`\b(19[6-9]\d|20[0-4]\d)\b|\b([Ll]inux|[Kk]ernel)s? (v?\d+\.\d|\d+\.x)`)
	// What counts as its source: a link into the world or to data of the kit, or a manual page.
	sourced = regexp.MustCompile(`\]\(https?://|\]\([^)]*\.(csv|json)\)|\b[a-z_]\w*\(\d\)`)
	// What a region has made has its source in the comment that stands before it.
	marked = regexp.MustCompile("(?s)<!-- from: [^\n]*? -->.*?<!-- end -->")
)

// dates: what the book tells with a year or a kernel's version has a source, in the same paragraph, item of a list or row.
func (k Kit) dates(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		if !inBook(p) {
			continue
		}
		text := strings.Join(p.lines, "\n")
		// A table of data is looked at like what was written: its rows have sources too. All else that is made has one.
		text = marked.ReplaceAllStringFunc(text, func(s string) string {
			if strings.HasPrefix(s, "<!-- from: table ") {
				return s
			}
			return strings.Repeat("\n", strings.Count(s, "\n"))
		})
		for _, part := range paragraphs(text) {
			if m := dated.FindString(part.text); m != "" && !sourced.MatchString(part.text) {
				list = append(list, Problem{p.file, part.line, fmt.Sprintf("who says %q? Link a source in the same paragraph, or name the manual page: name(7)", m)})
			}
		}
	}
	return list, nil
}

// paragraphs are the pieces of a page that stand for themselves: paragraphs, items of lists, rows of tables. Code and headings
// are none.
func paragraphs(text string) (list []found) {
	inCode, open := false, false
	for i, l := range strings.Split(text, "\n") {
		t := strings.TrimSpace(l)
		if fence.MatchString(l) {
			inCode, open = !inCode, false
			continue
		}
		item := strings.HasPrefix(t, "- ") || strings.HasPrefix(t, "* ") || regexp.MustCompile(`^\d+\. `).MatchString(t)
		switch {
		case inCode, t == "", strings.HasPrefix(t, "#"), strings.HasPrefix(l, "    ") && !open && !item:
			open = false
		case strings.HasPrefix(t, "|"):
			list, open = append(list, found{i + 1, t}), false
		case !open || item:
			list, open = append(list, found{i + 1, t}), true
		default:
			list[len(list)-1].text += " " + t
		}
	}
	return list
}

// typed: what the book shows of a terminal is a block that a test runs: console, beginning with a command.
func (k Kit) typed(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		if !inBook(p) {
			continue
		}
		block := -1 // the line of the fence that is open
		language := ""
		for i, l := range p.lines {
			if m := fence.FindStringSubmatch(l); m != nil {
				if block < 0 {
					block, language = i, m[1]
					if slices.Contains([]string{"sh", "bash", "shell", "terminal", "shellsession"}, language) {
						list = append(list, Problem{p.file, i + 1, "no test runs a block of " + language + ": make it ```console, with $ before each command and what it prints"})
					}
				} else {
					block = -1
				}
				continue
			}
			command := strings.HasPrefix(strings.TrimSpace(l), "$ ")
			switch {
			case command && (block < 0 || language != "console" && language != "sh"):
				list = append(list, Problem{p.file, i + 1, "no test runs this command: put it in a block ```console"})
			case language == "console" && block == i-1 && !strings.HasPrefix(l, "$ "):
				list = append(list, Problem{p.file, i + 1, "a block ```console begins with a command: $ …"})
			}
		}
	}
	return list, nil
}

// contents: the book's table of contents leads to each of its pages.
func (k Kit) contents(pages []page) (list []Problem, err error) {
	const toc = "docs/README.md"
	i := slices.IndexFunc(pages, func(p page) bool { return p.file == toc })
	for _, p := range pages {
		if !inBook(p) || p.file == toc {
			continue
		}
		if i < 0 {
			return []Problem{{toc, 0, "the book has no table of contents"}}, nil
		}
		links, _, _ := pages[i].parse()
		if !slices.ContainsFunc(links, func(l found) bool {
			to, _, _ := strings.Cut(l.text, "#")
			return path.Join("docs", to) == p.file
		}) {
			list = append(list, Problem{toc, 0, "does not lead to " + p.file + ": add its line"})
		}
	}
	return list, nil
}
