// Package breaks reads what the lessons tell to break, and runs a step with it. In the lesson of a step stands
//
//	**Break it.** What is changed, and why one would look.
//
//	```diff
//	--- 02-namespaces/namespace/hostname.go
//	-	the line as it is
//	+	the line as it should be
//	```
//
//	```console
//	$ go run ./lessons break -quiet 02-namespaces/uts
//	  ✗ what does not hold any more
//	```
//
// so that the change is data: the text that a reader types is the text that the test tries. The tests of this package apply
// each, run the step, and compare what it prints; `go run ./lessons break` does the same for a reader. The kit's files stay as
// they are: the changed ones are given to the compiler beside them (go build -overlay).
package breaks

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"containerkit/lessons/kit/course"
)

// A Break is a change to the kit, and what its step prints then.
type Break struct {
	Stage, Step string
	Line        int      // of the diff, in the stage's README
	Changes     []Change // in the order of the diff
	Flags       []string // of the step's run, as the lesson shows it
	Printed     string   // what the lesson says that it prints; "…" is any number of lines left out
}

// ID is the name of a break, and of its step: "02-namespaces/uts".
func (b Break) ID() string { return b.Stage + "/" + b.Step }

// A Change replaces lines of a file, which must be there once.
type Change struct {
	File     string // below the kit's directory
	Old, New string // whole lines
	Diff     string // the same as the lesson shows it
}

var (
	step    = regexp.MustCompile(`(?m)^## (.+)$`)
	told    = regexp.MustCompile(`(?m)^\*\*Break it\.\*\*`)
	diff    = regexp.MustCompile("(?ms)^```diff\n(.*?)^```\n")
	console = regexp.MustCompile("(?ms)\\A\\s*^```console\n\\$ go run \\./lessons break (?:(-quiet) )?(\\S+)\n(.*?)^```")
)

// Parse reads the break of a step out of the text of its lesson, whose first line is that line of its page. Its errors say
// what to write.
func Parse(stage, name, text string, line int) (Break, error) {
	b := Break{Stage: stage, Step: name, Line: line}
	at := told.FindStringIndex(text)
	if at == nil {
		return b, fmt.Errorf("has nothing to break: add **Break it.**, with a block ```diff of the change and a block ```console of what then happens")
	}
	b.Line = line + strings.Count(text[:at[0]], "\n")
	m := diff.FindStringSubmatchIndex(text[at[0]:])
	if m == nil {
		return b, fmt.Errorf("does not show what to break: below **Break it.** add a block ```diff that begins with --- FILE")
	}
	block := text[at[0]+m[2] : at[0]+m[3]]
	b.Line += strings.Count(text[at[0]:at[0]+m[0]], "\n")
	shown := console.FindStringSubmatch(text[at[0]+m[1]:])
	if shown == nil || shown[2] != b.ID() {
		return b, fmt.Errorf("does not show what then happens: below the diff add a block ```console that begins with $ go run ./lessons break %s", b.ID())
	}
	if shown[1] != "" {
		b.Flags = []string{shown[1]}
	}
	b.Printed = shown[3]
	var err error
	b.Changes, err = changes(block)
	return b, err
}

// changes reads a block of diff. A line begins with what happens to it, as in diff -u: "-" goes, "+" comes, " " stays. A line
// "@@" leads to another place of the same file.
func changes(block string) (list []Change, err error) {
	for l := range strings.Lines(block) {
		if file, ok := strings.CutPrefix(l, "--- "); ok {
			list = append(list, Change{File: strings.TrimSpace(file), Diff: l})
			continue
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("has a diff that does not begin with --- FILE")
		}
		c := &list[len(list)-1]
		if l == "@@\n" {
			list = append(list, Change{File: c.File, Diff: l})
			continue
		}
		c.Diff += l
		switch kind, rest := l[0], l[1:]; kind {
		case '-':
			c.Old += rest
		case '+':
			c.New += rest
		case ' ':
			c.Old, c.New = c.Old+rest, c.New+rest
		case '\n':
			c.Old, c.New = c.Old+l, c.New+l
		default:
			return nil, fmt.Errorf("has a diff with the line %q: it must begin with -, + or a space", strings.TrimSuffix(l, "\n"))
		}
	}
	for _, c := range list {
		if c.Old == "" || c.Old == c.New {
			return nil, fmt.Errorf("has a diff that changes nothing in %s: name lines that go, or that stay beside a new one", c.File)
		}
	}
	return list, nil
}

// Changed are the files of the kit in root as the break makes them. Its errors say which line is not there.
func (b Break) Changed(root string) (map[string]string, error) {
	files := map[string]string{}
	for _, c := range b.Changes {
		text, ok := files[c.File]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(root, c.File))
			if err != nil {
				return nil, fmt.Errorf("has a diff of %s, and there is no such file", c.File)
			}
			text = string(raw)
		}
		text = "\n" + text // so that every line has a line break before it
		first, _, _ := strings.Cut(strings.TrimSpace(c.Old), "\n")
		at := strings.Index(text, "\n"+c.Old)
		if at < 0 {
			return nil, fmt.Errorf("has a diff of lines that are not in %s: %s", c.File, first)
		}
		if strings.Contains(text[at+1:], "\n"+c.Old) {
			return nil, fmt.Errorf("has a diff of lines that %s has more than once; add one that stays: %s", c.File, first)
		}
		files[c.File] = text[1:at+1] + c.New + text[at+1+len(c.Old):]
	}
	return files, nil
}

// Build compiles the stage with the change, as the program dir/STAGE. dir must be empty and stays the caller's. What the
// compiler refuses is no error: then it has said why, and there is no program.
func (b Break) Build(root, dir string) (program, refused string, err error) {
	files, err := b.Changed(root)
	if err != nil {
		return "", "", err
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return "", "", err
	}
	replace := map[string]string{}
	for file, text := range files {
		beside := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
			return "", "", err
		}
		replace[filepath.Join(root, file)] = beside
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o644); err != nil {
		return "", "", err
	}
	program = filepath.Join(dir, b.Stage)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-overlay", overlay, "-o", program, "./"+b.Stage)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); failed {
		return "", string(out), nil
	}
	return program, "", err
}

// Read reads the break of every step of a stage, in order.
func Read(root string, s course.Stage) (list []Break, err error) {
	raw, err := os.ReadFile(filepath.Join(root, s.Dir, "README.md"))
	if err != nil {
		return nil, err
	}
	page := string(raw)
	heads := step.FindAllStringSubmatchIndex(page, -1)
	for i, h := range heads {
		end := len(page)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		name := page[h[2]:h[3]]
		if !slices.ContainsFunc(s.Steps, func(s course.Step) bool { return s.Name == name }) {
			continue
		}
		b, err := Parse(s.Dir, name, page[h[0]:end], strings.Count(page[:h[0]], "\n")+1)
		if err != nil {
			return nil, fmt.Errorf("%s/README.md: the lesson of %s %w", s.Dir, name, err)
		}
		list = append(list, b)
	}
	return list, nil
}

// Find finds the break of a step, by STAGE/STEP, or STEP where only one stage has it.
func Find(root, name string) (Break, error) {
	var found []course.Stage
	var at, near string
	for _, s := range course.Stages {
		for _, st := range s.Steps {
			id := s.Dir + "/" + st.Name
			if name == id || name == st.Name {
				found, at = append(found, s), st.Name
			}
			for _, n := range []string{id, st.Name} {
				if near == "" || levenshtein.ComputeDistance(name, n) < levenshtein.ComputeDistance(name, near) {
					near = n
				}
			}
		}
	}
	switch len(found) {
	case 0:
		if levenshtein.ComputeDistance(name, near) > min(2, len(name)/2) {
			return Break{}, fmt.Errorf("no step %q; go run ./lessons lists them", name)
		}
		return Break{}, fmt.Errorf("no step %q; did you mean %q?", name, near)
	case 1:
	default:
		return Break{}, fmt.Errorf("%s is a step of %s and of %s; name one: %s/%s", name, found[0].Dir, found[1].Dir, found[0].Dir, name)
	}
	list, err := Read(root, found[0])
	if err != nil {
		return Break{}, err
	}
	i := slices.IndexFunc(list, func(b Break) bool { return b.Step == at })
	if i < 0 {
		return Break{}, fmt.Errorf("the lesson of %s/%s tells nothing to break", found[0].Dir, at)
	}
	return list[i], nil
}
