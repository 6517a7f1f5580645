package lint

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/exercise"
	"containerkit/lessons/kit/course"
)

// A small course that is as it should be.
var good = map[string]string{
	"README.md": "# The kit\n\nSee [the stage](01-a/README.md#first) and `go run ./01-a -quiet first`.\n\n    go run ./lessons check -all    everything\n    go run ./01-a first            one step; not: second\n    go run ./01-a -- sh            a shell\n    go test -run '^TestOne$' ./01-a/p  # the part\n\n" +
		"| [01-a](01-a/README.md) | what? | first second | a thing |\n\nThere are 1 exercises. Read `one.go`, [line 3](01-a/p/one.go#L3).\n",
	"01-a/README.md": "# A\n\n## first\n\n**Idea.** An idea.\n\n**Run it.**\n```console\n$ go run ./01-a first\nyes\n```\n\n**Notice.** See.\n\n**By hand.**\n```sh\ntrue\n```\n\n" +
		"**Break it.** Try.\n```diff\n--- 01-a/p/one.go\n package p\n \n-func One() error { return nil }\n+func One() {}\n```\n```console\n$ go run ./lessons break -quiet 01-a/first\nno\n```\n\n" +
		"**Exercise `01-a/one`.** Write it yourself: [one_mine.go](p/one_mine.go), then `go run ./lessons check 01-a/one`.\n\n**Next.** Then.\n\n" +
		"## second\n\n**Idea.** Another.\n\n**Run it.**\n```console\n$ go run ./01-a -quiet second\nyes\n```\n\n**Notice.** This. [Up](../README.md), [there](https://example.org/), `p/one.go`.\n\n" +
		"**By hand.** So:\n```sh\nfalse\n```\n\n**Break it.** Again.\n```diff\n--- 01-a/p/one.go\n-package p\n+package q\n```\n```console\n$ go run ./lessons break 01-a/second\nno\n```\n\n**No exercise.** It is the last.\n\n**Next.** Nothing.\n",
	"01-a/p/one.go":           "//go:build linux && !mine\n\npackage p\n\nfunc One() error { return nil }\n",
	"01-a/p/one_test.go":      "package p\n\nfunc TestOne(t *testing.T) {}\n",
	"01-a/stage_test.go":      "package main\n\nfunc TestClaims(t *testing.T) { stagetest.Claims(t, course.A, asUser) }\n",
	"lessons/kit/course/x.go": "package course\n\nvar A = Stage{Steps: []Step{\n\t{\"first\", \"it is\", nil},\n\t{\"second\", \"so is this\", nil},\n}}\n",
	"lessons/exercise/x.go":   "package exercise\n\nvar one = Exercise{\n\tName: \"one\", Step: \"first\",\n\tShows: \"go run -tags mine ./01-a first\",\n}\n",
	"docs/README.md":          "# The book\n\n- [One](1-one.md#one)\n",
	"docs/1-one.md": "# One\n\nThere was chroot(2)\nin 1979. Not 2.6 times, nor 4096.\n\n- Linux 2.6.24 has it ([there](https://example.org/)).\n- It costs <!-- from: said Linux 9.9 -->Linux 9.9 of docs/1-one.md<!-- end -->.\n\n" +
		"```console\n$ go run ./01-a first\nyes, since 1999\n```\n\n| when | what |\n| 2008 | [that](https://example.org/) |\n",
	"01-a/testdata/other.md":                        "[nothing](no-where.md)\n",
	"lessons/exercise/testdata/wrong/01-a/one/x.go": "// diagnosis: x\n\n//go:build linux && mine\n\npackage p\n",
	"lessons/exercise/testdata/wrong/01-a/one/y.go": "// diagnosis: y\n\n//go:build linux && mine\n\npackage p\n",
}

// goodKit writes the small course, with these changes to its files, and returns what is to be checked.
func goodKit(t *testing.T, changes map[string]string) Kit {
	t.Helper()
	k := Kit{
		Root:   t.TempDir(),
		Stages: []course.Stage{{Dir: "01-a", Title: "a", Steps: []course.Step{{Name: "first", Claim: "it is"}, {Name: "second", Claim: "so is this"}}}},
		Exercises: []exercise.Exercise{{
			Stage: "01-a", Name: "one", Step: "first", File: "01-a/p/one_mine.go", Title: "one works", Task: "Write it.", Read: []string{"one(2)"},
			Package: "01-a/p", Run: "^TestOne$", Shows: "go run -tags mine ./01-a first", Hints: []string{"Think."},
			Diagnoses: []exercise.Diagnosis{{Name: "x"}, {Name: "y"}},
		}},
		Sources: map[string]Source{"said": func(_, page string, args []string) (string, error) {
			if len(args) == 0 {
				return "", errors.New("say something")
			}
			return strings.Join(args, " ") + " of " + page, nil
		}},
		Ask: func(program string) (*Program, error) {
			switch program {
			case "./01-a":
				return &Program{Flags: []string{"quiet", "memory "}, Args: []string{"first", "second"}}, nil
			case "./lessons break":
				return &Program{Flags: []string{"quiet"}}, nil
			case "./lessons check":
				return &Program{Flags: []string{"all"}, Args: []string{"01-a", "one", "01-a/one"}}, nil
			case "./lessons":
				return &Program{}, nil
			}
			return nil, nil
		},
	}
	files := maps.Clone(good)
	stub, err := exercise.Stub(k.Exercises[0], []byte(files["01-a/p/one.go"]))
	require.NoError(t, err)
	files["01-a/p/one_mine.go"] = string(stub)
	maps.Copy(files, changes)
	for name, text := range files {
		path := filepath.Join(k.Root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return k
}

// said are the problems of a course, a line each.
func said(t *testing.T, k Kit) string {
	t.Helper()
	problems, err := k.Check()
	require.NoError(t, err)
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

func TestAGoodCourseHasNoProblem(t *testing.T) { require.Empty(t, said(t, goodKit(t, nil))) }

// A lesson without an exercise has a question to think about, or says why there is neither.
func TestAQuestionStandsForAnExercise(t *testing.T) {
	page := strings.Replace(good["01-a/README.md"], "**No exercise.** It is", "**Think about it.** Is it", 1)
	require.NotEqual(t, good["01-a/README.md"], page)
	require.Empty(t, said(t, goodKit(t, map[string]string{"01-a/README.md": page})))
}

// Each rule is broken on purpose in a file, and must be told with its place.
func TestEveryRuleFindsWhatBreaksIt(t *testing.T) {
	const wrong = "lessons/exercise/testdata/wrong/01-a/one/x.go"
	for name, c := range map[string]struct {
		file, old, new string
		where, says    string
	}{
		"no lesson for a step":             {"01-a/README.md", "## second", "## secund", "01-a/README.md:", "step second has no lesson"},
		"no idea":                          {"01-a/README.md", "**Idea.** Another.", "Another.", "01-a/README.md:37:", "lacks its idea"},
		"no transcript":                    {"01-a/README.md", "$ go run ./01-a -quiet second", "$ ls", "01-a/README.md:37:", "lacks a transcript"},
		"another step's transcript":        {"01-a/README.md", "$ go run ./01-a -quiet second", "$ go run ./01-a first", "01-a/README.md:37:", "begins with $ go run ./01-a second"},
		"nothing to notice":                {"01-a/README.md", "**Notice.** This.", "This.", "01-a/README.md:37:", "lacks something to notice"},
		"nothing to do by hand":            {"01-a/README.md", "```sh\nfalse\n```\n", "", "01-a/README.md:37:", "lacks what to do by hand"},
		"nothing to break":                 {"01-a/README.md", "**Break it.** Again.", "Again.", "01-a/README.md:37:", "lacks something to break"},
		"neither exercise nor reason":      {"01-a/README.md", "**No exercise.** It is the last.", "", "01-a/README.md:37:", "lacks an exercise"},
		"no way on":                        {"01-a/README.md", "**Next.** Nothing.", "", "01-a/README.md:37:", "lacks where to go on"},
		"parts in another order":           {"01-a/README.md", "**No exercise.** It is the last.\n\n**Next.** Nothing.", "**Next.** Nothing.\n\n**No exercise.** It is the last.", "01-a/README.md:37:", "has in another place than the others where to go on"},
		"a break without its change":       {"01-a/README.md", "```diff\n--- 01-a/p/one.go\n-package p\n+package q\n```\n", "", "01-a/README.md:54:", "does not show what to break"},
		"a break without its output":       {"01-a/README.md", "$ go run ./lessons break 01-a/second", "$ go run ./lessons break 01-a/first", "01-a/README.md:55:", "does not show what then happens"},
		"a break of no file":               {"01-a/README.md", "--- 01-a/p/one.go\n-package", "--- 01-a/p/two.go\n-package", "01-a/README.md:55:", "diff of 01-a/p/two.go, and there is no such file"},
		"a break of lines that are gone":   {"01-a/README.md", "-package p", "-package r", "01-a/README.md:55:", "lines that are not in 01-a/p/one.go: package r"},
		"a table without a step":           {"README.md", "| first second |", "| first |", "README.md:10:", "has the steps | first second |"},
		"a table without a stage":          {"README.md", "| [01-a]", "| [a]", "README.md: ", "needs a row that begins with | [01-a]"},
		"another number of exercises":      {"README.md", "are 1 exercises", "are 2 exercises", "README.md:12:", "there are 1 exercises, and not 2"},
		"claims that no test holds":        {"01-a/stage_test.go", "stagetest.Claims(", "nothing(", "01-a:", "no test holds"},
		"an exercise without its line":     {"01-a/README.md", "**Exercise `01-a/one`.**", "**Exercise.**", "01-a/README.md:3:", "does not name its exercise"},
		"an exercise without its check":    {"01-a/README.md", "check 01-a/one", "check", "01-a/README.md:3:", "does not name its exercise"},
		"an exercise without its file":     {"01-a/README.md", "(p/one_mine.go)", "(p/)", "01-a/README.md:3:", "does not name its exercise"},
		"an exercise that is not there":    {"01-a/README.md", "**Exercise `01-a/one`", "**Exercise `01-a/two`", "01-a/README.md:33:", "there is no exercise 01-a/two"},
		"an exercise that is solved":       {"01-a/p/one_mine.go", "todo.Exercise(\"01-a/one\")", "nil", "01-a/p/one_mine.go:", "is not what 01-a/p/one.go makes it"},
		"a diagnosis that is not there":    {wrong, "diagnosis: x", "diagnosis: z", wrong + ":1:", `no diagnosis "z"`},
		"a wrong solution without its own": {wrong, "// diagnosis: x", "// x", "lessons/exercise/x.go:4:", "does not say its diagnosis"},
		"a link to nowhere":                {"README.md", "01-a/README.md#first", "01-b/README.md", "README.md:3:", "leads nowhere"},
		"a link to no heading":             {"README.md", "#first", "#fist", "README.md:3:", "leads to no heading"},
		"a link to no line":                {"README.md", "#L3", "#L300", "README.md:12:", "leads to no line"},
		"a link out of the kit":            {"01-a/README.md", "(../README.md)", "(../../README.md)", "01-a/README.md:47:", "leads out of the kit"},
		"an address without a host":        {"01-a/README.md", "https://example.org/", "https:///x", "01-a/README.md:47:", "no address"},
		"a file that is not there":         {"01-a/README.md", "`p/one.go`", "`p/two.go`", "01-a/README.md:47:", "there is no file p/two.go"},
		"a program that is not there":      {"README.md", "go run ./01-a -quiet first", "go run ./01-b first", "README.md:3:", "no such program"},
		"a step that is not there":         {"README.md", "-quiet first", "-quiet fist", "README.md:3:", "does not know fist"},
		"a flag that is not there":         {"README.md", "-quiet first", "-quite first", "README.md:3:", "does not know -quite"},
		"a flag that go run has not":       {"README.md", "go run ./01-a -quiet", "go run -tag mine ./01-a -quiet", "README.md:3:", "want go run [-exec sudo] [-tags mine]"},
		"a command that is not there":      {"README.md", "./lessons check", "./lessons chekc", "README.md:5:", "no such program or command"},
		"a flag of a command, not there":   {"README.md", "check -all", "check -every", "README.md:5:", "does not know -every"},
		"an exercise of a command, nor":    {"README.md", "check -all", "check 01-a/two", "README.md:5:", "does not know 01-a/two"},
		"a package that is not there":      {"README.md", "./01-a/p  #", "./01-a/q  #", "README.md:8:", "there is no package ./01-a/q"},
		"a year without a source":          {"docs/1-one.md", "chroot(2)", "chroot", "docs/1-one.md:3:", `who says "1979"?`},
		"a version without a source":       {"docs/1-one.md", "([there](https://example.org/))", "", "docs/1-one.md:6:", `who says "Linux 2.6"?`},
		"a row without a source":           {"docs/1-one.md", "[that](https://example.org/)", "that", "docs/1-one.md:15:", `who says "2008"?`},
		"a block that no test runs":        {"docs/1-one.md", "```console", "```sh", "docs/1-one.md:9:", "no test runs a block of sh"},
		"a command that no test runs":      {"docs/1-one.md", "```console", "```", "docs/1-one.md:10:", "no test runs this command"},
		"a transcript without its command": {"docs/1-one.md", "$ go run ./01-a first\n", "", "docs/1-one.md:10:", "begins with a command"},
		"a page that nobody finds":         {"docs/README.md", "1-one.md#one", "README.md", "docs/README.md:", "does not lead to docs/1-one.md"},
		"a word to avoid":                  {"README.md", "# The kit", "# The kit, an" + "ew", "README.md:1:", "avoid"},
		"a word to avoid in a comment":     {"01-a/p/one.go", "package p", "// It sh" + "all.\npackage p", "01-a/p/one.go:", "should, must"},
		"a test that is not there":         {"README.md", "^TestOne$", "^TestTwo$", "README.md:8:", "no test matches ^TestTwo$"},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(goodKit(t, nil).Root, c.file))
			require.NoError(t, err)
			require.Contains(t, string(raw), c.old)
			got := said(t, goodKit(t, map[string]string{c.file: strings.Replace(string(raw), c.old, c.new, 1)}))
			require.Regexp(t, "(?m)^"+quote(c.where)+".*"+quote(c.says), got)
		})
	}
}

func quote(s string) string { return regexp.QuoteMeta(s) }

// …and in what the course's tables say.
func TestEveryRuleFindsWhatBreaksItInTheTables(t *testing.T) {
	const table = "lessons/exercise/x.go:"
	for name, c := range map[string]struct {
		spoil func(k *Kit, e *exercise.Exercise)
		says  string
	}{
		"a step without a claim":      {func(k *Kit, _ *exercise.Exercise) { k.Stages[0].Steps[1].Claim = " " }, "lessons/kit/course/x.go:5: step second of 01-a has no claim"},
		"lessons in another order":    {func(k *Kit, _ *exercise.Exercise) { slices.Reverse(k.Stages[0].Steps) }, "stands before that of a step that comes earlier"},
		"a stage without a page":      {func(k *Kit, _ *exercise.Exercise) { k.Stages[0].Dir = "02-b" }, "02-b/README.md: the stage has no lesson"},
		"an exercise of no such step": {func(_ *Kit, e *exercise.Exercise) { e.Step = "third" }, table + "4: 01-a/one belongs to the step third, which has no lesson"},
		"two of the same name":        {func(k *Kit, e *exercise.Exercise) { k.Exercises = append(k.Exercises, *e) }, table + "4: 01-a/one is there twice"},
		"no title":                    {func(_ *Kit, e *exercise.Exercise) { e.Title = "" }, "has no title"},
		"no task":                     {func(_ *Kit, e *exercise.Exercise) { e.Task = " \n" }, "has no task"},
		"nothing to read":             {func(_ *Kit, e *exercise.Exercise) { e.Read = nil }, "has no manual page to read"},
		"no package":                  {func(_ *Kit, e *exercise.Exercise) { e.Package = "" }, "has no package"},
		"no check":                    {func(_ *Kit, e *exercise.Exercise) { e.Run = "" }, "has no tests that check it"},
		"nothing to see":              {func(_ *Kit, e *exercise.Exercise) { e.Shows = "" }, "has no command that shows it"},
		"no hint":                     {func(_ *Kit, e *exercise.Exercise) { e.Hints = nil }, "has no hint"},
		"one diagnosis":               {func(_ *Kit, e *exercise.Exercise) { e.Diagnoses = e.Diagnoses[:1] }, "has 1 diagnoses, want 2"},
		"a check without tests":       {func(_ *Kit, e *exercise.Exercise) { e.Run = "^TestTwo$" }, table + "4: 01-a/one cannot be checked: no test matches ^TestTwo$"},
		"no wrong solution":           {func(_ *Kit, e *exercise.Exercise) { e.Name = "two" }, "01-a/two has 0 wrong solutions, want 2 or more: lessons/exercise/testdata/wrong/01-a/two/CASE.go"},
		"a command of another":        {func(_ *Kit, e *exercise.Exercise) { e.Shows = "ls" }, "is no command of the kit"},
		"a command that is not there": {func(_ *Kit, e *exercise.Exercise) { e.Shows = "go run -tags mine ./01-a third" }, "does not know third"},
		"no file":                     {func(_ *Kit, e *exercise.Exercise) { e.File = "01-a/p/two_mine.go" }, "01-a/p/two_mine.go: it is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			k := goodKit(t, nil)
			c.spoil(&k, &k.Exercises[0])
			require.Contains(t, said(t, k), c.says)
		})
	}
}

func TestRefuses(t *testing.T) {
	p := &Program{Flags: []string{"quiet", "memory "}, Args: []string{"first"}}
	require.Empty(t, p.refuses(strings.Fields("-quiet -memory 64m first -- sh -c x")))
	require.Empty(t, p.refuses(strings.Fields("-memory=64m STEP")))
	require.Equal(t, []string{"-x"}, p.refuses(strings.Fields("-x first")))
	require.Equal(t, []string{"second"}, p.refuses(strings.Fields("first second")))
}

// A command that is broken in the text is still one command; words in the next column are none of its, and behind "--" is another.
func TestCommandsAcrossLinesColumnsAndDashes(t *testing.T) {
	k := goodKit(t, map[string]string{"docs/README.md": "[One](1-one.md), [X](x.md)\n", "docs/x.md": "# X\n\nThen `go run\n./01-a fist`, or `go run -exec sudo\n./01-a first`.\n\n    go run ./01-a -- go run ./01-a -quite   a command in it\n    go test ./...   # all of it\n    go run -exec \"sudo env A=$A\" ./01-a fast\n"})
	got := said(t, k)
	require.Contains(t, got, "docs/x.md:3: \"go run ./01-a fist\": ./01-a does not know fist")
	require.Contains(t, got, "docs/x.md:7: \"go run ./01-a -quite   a command in it\": ./01-a does not know -quite")
	require.Contains(t, got, `./01-a fast": ./01-a does not know fast`)
	require.Equal(t, 3, strings.Count(got, "\n"), got)
}
