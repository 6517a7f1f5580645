// Package atlas reads the book's map: for every flag of docker run, key of lxc.container.conf(5) and field of the OCI's
// config.json, what it does, what of the kernel stands behind it, and which step of this kit teaches that. The rows are data,
// docs/map/*.csv. The page docs/map.md and the command `go run ./lessons map` are made of them.
package atlas

import (
	"encoding/csv"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"containerkit/lessons/author/lint"
	"containerkit/lessons/kit/course"
)

// A Row is one flag, key or field.
type Row struct {
	Tool   string   // whose word it is: one of Tools
	Name   string   // "-m, --memory": all of its names
	Does   string   // in a line
	Kernel string   // what of the kernel stands behind it
	Source string   // where to read on: a manual page, or a file of the kernel's Documentation
	How    string   // Teach, Name or None
	Steps  []string // which teach it: "01-cgroups/memory"
	At     string   // where the call stands in the kit, as lint.Line wants it: FILE NAME, or FILE "TEXT"; may be empty
}

// What the kit does about a row.
const (
	Teach = "teach" // a step shows and proves it
	Name  = "name"  // it is only named
	None  = "none"  // the kernel knows nothing of it
)

// Tools are those whose words are on the map. Each has its file.
var Tools = []string{"docker", "lxc", "oci"}

// columns are the first row of each file.
var columns = []string{"name", "does", "kernel", "source", "how", "step", "at"}

// Read reads the rows of a tool, in the order of its file below the kit's directory. A row that does not say what it must say
// is an error.
func Read(root, tool string) (rows []Row, err error) {
	file := "docs/map/" + tool + ".csv"
	f, err := os.Open(filepath.Join(root, file))
	if err != nil {
		return nil, fmt.Errorf("there is no %s", file)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(records) == 0 || !slices.Equal(records[0], columns) {
		return nil, fmt.Errorf("%s: the first row must be %s", file, strings.Join(columns, ","))
	}
	for _, r := range records[1:] {
		row := Row{tool, r[0], r[1], r[2], r[3], r[4], strings.Fields(r[5]), r[6]}
		if err := row.check(); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, row.Name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// cited is a manual page, or a file of the kernel's Documentation.
var cited = regexp.MustCompile(`[a-z_.]\w*\(\d\)|Documentation/[\w/.-]+\.rst`)

// check says what is wrong with a row.
func (r Row) check() error {
	for _, s := range r.Steps {
		if !isStep(s) {
			return fmt.Errorf("there is no step %s", s)
		}
	}
	switch taught := r.How == Teach; {
	case r.Name == "" || r.Does == "":
		return fmt.Errorf("a row has a name and says what it does")
	case r.How != Teach && r.How != Name && r.How != None:
		return fmt.Errorf("how: want %s, %s or %s, not %q", Teach, Name, None, r.How)
	case r.How == None && (r.Kernel != "" || r.Source != "" || r.At != ""):
		return fmt.Errorf("it has no counterpart, and yet the kernel column, the source or a line says something")
	case r.How != None && (r.Kernel == "" || !cited.MatchString(r.Source)):
		return fmt.Errorf("want what of the kernel stands behind it, and a source: name(7), or Documentation/….rst")
	case taught && (len(r.Steps) == 0 || r.At == ""):
		return fmt.Errorf("what is taught has a step and a line")
	case !taught && len(r.Steps) > 0:
		return fmt.Errorf("it has a step, so it is taught")
	}
	return nil
}

func isStep(name string) bool {
	dir, step := path.Split(name)
	return slices.ContainsFunc(course.Stages, func(s course.Stage) bool {
		return s.Dir+"/" == dir && slices.ContainsFunc(s.Steps, func(s course.Step) bool { return s.Name == step })
	})
}

// Names are the names of a row, each on its own.
func (r Row) Names() []string { return strings.Split(r.Name, ", ") }

// Line is where the call stands: a file, and a line of it.
func (r Row) Line(root string) (file string, line int, err error) {
	file, what, _ := strings.Cut(r.At, " ")
	line, err = lint.Line(root, file, what)
	return file, line, err
}

// Source makes the tables of a page, for its regions (package lint): map TOOL HOW are the rows of a tool that are taught, named,
// or have no counterpart; map TOOL counts them.
func Source(root, page string, args []string) (string, error) {
	if len(args) == 0 || len(args) > 2 {
		return "", fmt.Errorf("want map TOOL, or map TOOL HOW")
	}
	rows, err := Read(root, args[0])
	if err != nil {
		return "", err
	}
	if len(args) == 1 {
		n := map[string]int{}
		for _, r := range rows {
			n[r.How]++
		}
		return fmt.Sprintf("%d rows: %d taught, %d named, %d without a counterpart", len(rows), n[Teach], n[Name], n[None]), nil
	}
	var b strings.Builder
	write := func(cells ...string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	switch args[1] {
	case Teach:
		write("name", "what it does", "in the kernel", "step", "here")
		write("---", "---", "---", "---", "---")
	case Name:
		write("name", "what it does", "in the kernel", "here")
		write("---", "---", "---", "---")
	case None:
		write("name", "what it is")
		write("---", "---")
	default:
		return "", fmt.Errorf("want %s, %s or %s, not %q", Teach, Name, None, args[1])
	}
	for _, r := range rows {
		if r.How != args[1] {
			continue
		}
		here := ""
		if r.At != "" {
			file, line, err := r.Line(root)
			if err != nil {
				return "", fmt.Errorf("%s: %w", r.Name, err)
			}
			here = lint.Link(page, file, line)
		}
		name := "`" + strings.Join(r.Names(), "`, `") + "`"
		switch r.How {
		case Teach:
			write(name, r.Does, r.kernel(), lessons(page, r.Steps), here)
		case Name:
			write(name, r.Does, r.kernel(), here)
		case None:
			write(name, r.Does)
		}
	}
	return b.String(), nil
}

var document = regexp.MustCompile(`Documentation/([\w/.-]+)\.rst`)

// kernel is what stands behind a row, and where to read of it.
func (r Row) kernel() string {
	source := document.ReplaceAllStringFunc(r.Source, func(s string) string {
		name := document.FindStringSubmatch(s)[1]
		return fmt.Sprintf("[%s.rst](https://docs.kernel.org/%s.html)", path.Base(name), name)
	})
	if strings.Contains(r.Kernel, r.Source) {
		return r.Kernel
	}
	return r.Kernel + "; " + source
}

// lessons are links to the lessons of steps.
func lessons(page string, steps []string) string {
	var links []string
	for _, s := range steps {
		dir, step := path.Split(s)
		to, err := filepath.Rel(path.Dir(page), dir+"README.md")
		if err != nil {
			to = dir + "README.md"
		}
		links = append(links, fmt.Sprintf("[%s](%s#%s)", s, filepath.ToSlash(to), step))
	}
	return strings.Join(links, ", ")
}

// switches are the flags of docker run that take no value; after any other one stands its value, or =VALUE.
var switches = []string{"-d", "--detach", "--disable-content-trust", "--init", "-i", "--interactive", "--no-healthcheck",
	"--oom-kill-disable", "--privileged", "-P", "--publish-all", "-q", "--quiet", "--read-only", "--rm", "--sig-proxy", "-t", "--tty",
	"--use-api-socket"}

// cluster is several switches in one word, such as -it. A long flag may have one dash, too: -cpus is none of them.
var cluster = regexp.MustCompile(`^-[diPqt]{2,}$`)

// valued is a flag with its value: -p 8080:80, -p8080:80 or --memory=64m.
var valued = regexp.MustCompile(`^(-[a-z] |--[a-z-]+[ =]|-[a-z][0-9]).`)

// flags finds the flags in a command line of docker run, or podman run, in their order, each as it is written on the map:
// -it are -i and -t. The image, and what stands behind it, is the command. nil: it is no such line.
func flags(line []string) (words []string) {
	if len(line) > 0 && (cluster.MatchString(line[0]) || valued.MatchString(strings.Join(line, " "))) {
		line = append([]string{"docker", "run"}, line...)
	}
	at := slices.IndexFunc(line, func(w string) bool { return w == "run" || w == "create" })
	if at < 1 || !slices.Contains([]string{"docker", "podman"}, line[0]) {
		return nil
	}
	for line = line[at+1:]; len(line) > 0 && strings.HasPrefix(line[0], "-"); line = line[1:] {
		flag, _, valued := strings.Cut(line[0], "=")
		if !strings.HasPrefix(flag, "--") { // -it is -i -t, and -m1g is -m 1g
			for flag = flag[1:]; len(flag) > 1 && slices.Contains(switches, "-"+flag[:1]); flag = flag[1:] {
				words = append(words, "-"+flag[:1])
			}
			valued = valued || len(flag) > 1
			flag = "-" + flag[:min(1, len(flag))]
		}
		words = append(words, flag)
		if !valued && !slices.Contains(switches, flag) && len(line) > 1 {
			line = line[1:]
		}
	}
	return words
}

// Find looks words up on the whole map. A whole name, with its dashes or without, finds its rows and no others. Else a row is
// found that has all the words somewhere, those with a dash in its name. A command line of docker run finds the rows of its flags.
func Find(root string, words ...string) (found []Row, err error) {
	if len(words) == 1 { // a quoted command line is one word
		words = strings.Fields(words[0])
	}
	var all []Row
	for _, tool := range Tools {
		rows, err := Read(root, tool)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	for _, flag := range flags(words) {
		i := slices.IndexFunc(all, func(r Row) bool { return r.Tool == "docker" && slices.Contains(r.Names(), flag) })
		if i < 0 {
			return nil, fmt.Errorf("docker run has no flag %s", flag)
		}
		found = append(found, all[i])
	}
	if len(found) > 0 {
		return found, nil
	}
	whole := bare(strings.Join(words, " "))
	for _, fits := range []func(Row) bool{
		func(r Row) bool {
			return slices.ContainsFunc(r.Names(), func(n string) bool { return bare(n) == whole })
		},
		func(r Row) bool { return r.pattern().MatchString(whole) },
		func(r Row) bool { return !slices.ContainsFunc(words, func(w string) bool { return !r.has(w) }) },
	} {
		for _, r := range all {
			if fits(r) {
				found = append(found, r)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	return found, nil
}

func bare(name string) string { return strings.ToLower(strings.TrimLeft(name, "-")) }

// pattern is what the name stands for: lxc.net.[i].mtu for lxc.net.0.mtu, and mounts[].type also for mounts.type.
func (r Row) pattern() *regexp.Regexp {
	p := regexp.MustCompile(`\\\[[^\\]+\\\]`).ReplaceAllString(regexp.QuoteMeta(bare(r.Name)), ".+")
	p = strings.NewReplacer(`\[\]`, `(\[\])?`, `\{\}`, `(\{\})?`, `\*`, `[^.]*`).Replace(p)
	return regexp.MustCompile("^" + p + "$")
}

func (r Row) has(word string) bool {
	text := r.Name
	if !strings.HasPrefix(word, "-") {
		text = strings.Join([]string{r.Tool, r.Name, r.Does, r.Kernel, r.Source, strings.Join(r.Steps, " ")}, " ")
	}
	return strings.Contains(strings.ToLower(text), strings.ToLower(word))
}
