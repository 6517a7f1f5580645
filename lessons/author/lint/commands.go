package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	// A command of the kit, as it stands in the text: go run, flags of go run, the program, and what it is given.
	goRun = regexp.MustCompile(`\bgo run ((?:-exec sudo |-exec "sudo [^"]*" |-tags mine )*)(\./[\w-]+)((?: [^;|&<>()` + "`" + `']+)?)`)
	// Another one: the tests, or the compiler, and what they are given.
	goTest = regexp.MustCompile(`\bgo (?:test|vet|build)((?: (?:'[^']*'|[^;|&<>()#` + "`" + `' ]+))+)`)
	// What looks like go run, whether it is right or not.
	anyGoRun = regexp.MustCompile(`\bgo run +[-./]`)
	word     = regexp.MustCompile(`'[^']*'|[^ ]+`)
)

// placeholder is a word that stands for another one: STEP, DIR, ./NN-name; and what was left out.
var placeholder = regexp.MustCompile(`…|\bNN?-name\b|\b0N-name\b|\bCOMMAND\b`)

// Commands are the commands of the kit that a page mentions as a reader can type them, in order, each once.
func Commands(text string) (list []string) {
	_, _, code := page{lines: strings.Split(text, "\n")}.parse()
	for _, c := range code {
		line := strings.TrimPrefix(strings.TrimSpace(c.text), "$ ")
		if !strings.HasPrefix(line, "go run ") && !strings.HasPrefix(line, "go test ") {
			continue
		}
		// What stands in a column behind a command explains it.
		line, _, _ = strings.Cut(line, "  ")
		line, _, _ = strings.Cut(line, " # ")
		outer, _, _ := strings.Cut(line, " -- ")
		stands := placeholder.MatchString(line) || slices.ContainsFunc(strings.Fields(outer), func(w string) bool {
			return strings.ToUpper(w) == w && strings.ToLower(w) != w
		})
		if !stands && !slices.Contains(list, line) {
			list = append(list, line)
		}
	}
	return list
}

// commands: every command of the kit that the Markdown names exists, with its flags and names.
func (k Kit) commands(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		_, _, code := p.parse()
		for _, c := range code {
			problems, _, err := k.command(p.file, c.line, c.text)
			if err != nil {
				return nil, err
			}
			list = append(list, problems...)
		}
	}
	return list, nil
}

// command checks the n commands of the kit that stand in a line.
func (k Kit) command(file string, line int, text string) (list []Problem, n int, err error) {
	// What stands behind "--" is a command of its own.
	if outer, inner, ok := strings.Cut(text, " -- "); ok {
		problems, n1, err := k.command(file, line, outer)
		if err != nil {
			return nil, 0, err
		}
		list, n, err = k.command(file, line, inner)
		return append(problems, list...), n1 + n, err
	}
	runs, tests := goRun.FindAllStringSubmatch(text, -1), goTest.FindAllStringSubmatch(text, -1)
	if len(anyGoRun.FindAllString(text, -1)) > len(runs) {
		list = append(list, Problem{file, line, fmt.Sprintf("%q: want go run [-exec sudo] [-tags mine] ./PROGRAM …", text)})
	}
	for _, m := range runs {
		asked, _, _ := strings.Cut(m[3], "  ") // what stands in a column behind a command explains it
		program, args := m[2], strings.Fields(asked)
		if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "#") }); i >= 0 {
			args = args[:i]
		}
		if program == "./NN-name" || program == "./0N-name" {
			continue // stands for any stage
		}
		if program == "./lessons" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			program, args = program+" "+args[0], args[1:]
		}
		what, err := k.Ask(program)
		if err != nil {
			return nil, 0, err
		}
		if what == nil {
			list = append(list, Problem{file, line, fmt.Sprintf("%q: there is no such program or command", strings.TrimSpace(m[0]))})
			continue
		}
		for _, wrong := range what.refuses(args) {
			list = append(list, Problem{file, line, fmt.Sprintf("%q: %s does not know %s", strings.TrimSpace(m[0]), program, wrong)})
		}
	}
	for _, m := range tests {
		asked, _, _ := strings.Cut(m[1], "  ")
		for _, wrong := range k.tested(word.FindAllString(asked, -1)) {
			list = append(list, Problem{file, line, fmt.Sprintf("%q: %s", strings.TrimSpace(m[0]), wrong)})
		}
	}
	return list, len(runs) + len(tests), nil
}

// tested says what is wrong with the arguments of go test: a package, a tag or tests that are not there.
func (k Kit) tested(args []string) (wrong []string) {
	pattern, tests := "", ""
	for i, a := range args {
		switch {
		case a == "-run" && i+1 < len(args):
			pattern = strings.Trim(args[i+1], "'")
		case a == "-tags" && i+1 < len(args) && args[i+1] != "mine":
			wrong = append(wrong, "there is no build tag "+args[i+1])
		case strings.HasPrefix(a, "./"):
			dir, all := strings.CutSuffix(a, "/...")
			if dir == "." {
				return wrong
			}
			files, _ := filepath.Glob(filepath.Join(k.Root, dir, "*.go"))
			if len(files) == 0 && !all {
				wrong = append(wrong, "there is no package "+a)
			} else if _, err := os.Stat(filepath.Join(k.Root, dir)); err != nil {
				wrong = append(wrong, "there is no directory "+dir)
			}
			for _, name := range files {
				if raw, err := os.ReadFile(name); err == nil && strings.HasSuffix(name, "_test.go") {
					tests += string(raw)
				}
			}
		}
	}
	if pattern == "" || len(wrong) > 0 {
		return wrong
	}
	top, _, _ := strings.Cut(pattern, "/")
	re, err := regexp.Compile(top)
	if err != nil {
		return append(wrong, err.Error())
	}
	for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(tests, -1) {
		if re.MatchString(m[1]) {
			return nil
		}
	}
	return append(wrong, "no test matches "+pattern)
}

// refuses lists the arguments that the program does not know. What follows "--" is another program's.
func (p *Program) refuses(args []string) (wrong []string) {
	value := false
	for _, a := range args {
		switch {
		case a == "--":
			return wrong
		case value:
			value = false
		case strings.HasPrefix(a, "-"):
			name, _, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
			if !slices.Contains(p.Flags, name) && !slices.Contains(p.Flags, name+" ") && name != "h" {
				wrong = append(wrong, a)
			}
			// A flag that wants a value is listed with a space behind it.
			value = !given && slices.Contains(p.Flags, name+" ")
		case p.Args == nil || strings.ToUpper(a) == a || strings.ContainsAny(a, "…"):
			return wrong // anything may stand here, or the word stands for anything: STEP, DIR, 03-rootfs/…
		case !slices.Contains(p.Args, a):
			return append(wrong, a)
		}
	}
	return wrong
}
