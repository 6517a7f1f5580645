package verify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"containerkit/lessons/kit/course"
)

// Module is the prefix of the kit's packages.
const Module = "containerkit"

// A Profile is a kind of machine and user.
type Profile struct {
	Name string
	Text string // what it promises, in words
	Root bool   // it is for root
	// MaySkip are features that this kind of machine may lack. Steps that need one of them may skip.
	MaySkip []course.Feature
	// Whole says that nothing but the stages is run, and that no test may skip, promised or not.
	Whole bool
}

// Profiles are the kinds of machines that the course is verified on.
var Profiles = []Profile{
	{Name: "user", Text: "namespaces, files and network inside a user namespace, and all that needs no kernel",
		// An ordinary user has cgroups only where systemd delegates some.
		MaySkip: []course.Feature{course.Cgroups, course.Pids, course.Memory, course.CPU, course.Cpuset, course.IO, course.Freezer, course.PSI, course.CPUs2}},
	{Name: "root", Text: "the same without a user namespace, and cgroups of whichever version is here", Root: true,
		// Not every disk can be throttled, not every kernel measures pressure, not every VM has two CPUs.
		MaySkip: []course.Feature{course.IO, course.PSI, course.CPUs2}},
	VM, VMUser,
}

// VM and VMUser are for the virtual machine that the kit starts: everything runs on cgroup v2, as root and as the
// ordinary user to whom a cgroup is delegated. There no test of a stage may skip.
var (
	VM     = Profile{Name: "vm", Text: "all tests of the stages on cgroup v2, none skipped", Root: true, Whole: true}
	VMUser = Profile{Name: "vm-user", Text: "the same as an ordinary user with a delegated cgroup", Whole: true}
)

// Stages are the directories of the stages.
func Stages() (dirs []string) {
	for _, s := range course.Stages {
		dirs = append(dirs, s.Dir)
	}
	return dirs
}

// Choose finds a profile by its name; no name is the one for the user who asks. uid is -1 if it does not matter.
func Choose(name string, uid int) (Profile, error) {
	for _, p := range Profiles {
		if name == "" && p.Root == (uid == 0) {
			return p, nil
		}
		if name != p.Name {
			continue
		}
		if uid >= 0 && p.Root != (uid == 0) {
			who := map[bool]string{true: "root", false: "an ordinary user"}
			return Profile{}, fmt.Errorf("profile %q is for %s, and this is %s", name, who[p.Root], who[uid == 0])
		}
		return p, nil
	}
	return Profile{}, fmt.Errorf("no profile %q; there are user, root and vm", name)
}

// A Promise is a feature and the tests that prove it.
type Promise struct {
	Group   string // where it is shown
	Feature string
	Package string // below the module
	// Tests are the names of its tests; * stands for anything. Of each name a test must have passed.
	Tests   []string
	MaySkip bool
}

func (p Promise) matches(name string, t Test) bool {
	if t.Package != Module+"/"+p.Package || t.Name == "" {
		return false
	}
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(name), `\*`, ".*") + "$"
	return regexp.MustCompile(pattern).MatchString(t.Name)
}

// all is every test of a package: one that passes is enough, for the rest says what it is by its name.
var all = []string{"Test*"}

// also are the promises that are no steps of the course: the parts, whose logic is tested anywhere, and the tools.
var also = []Promise{
	{"the parts", "cgroup", "01-cgroups/cgroup", all, false},
	{"the parts", "namespace", "02-namespaces/namespace", all, false},
	{"the parts", "rootfs", "03-rootfs/rootfs", all, false},
	{"the parts", "network", "04-network/network", all, false},
	{"the container", "exit status", "05-full", []string{"TestExitStatus*"}, false},
	{"the container", "signals", "05-full", []string{"TestSignals*"}, false},
	{"the container", "kill -9", "05-full", []string{"TestKillLeavesNothing*"}, false},
	{"the container", "terminal", "05-full", []string{"TestShellOnATerminal*"}, false},
	{"leak tables", "01", "01-cgroups", []string{"TestLeaks"}, false},
	{"leak tables", "02", "02-namespaces", []string{"TestLeaks"}, false},
	{"leak tables", "03", "03-rootfs", []string{"TestLeaks"}, false},
	{"leak tables", "04", "04-network", []string{"TestLeaks"}, false},
	{"leak tables", "05", "05-full", []string{"TestLeaks"}, false},
	{"the tools", "course", "lessons/kit/course", all, false},
	{"the tools", "narration", "lessons/kit/narrate", all, false},
	{"the tools", "commands", "lessons/kit/stage", all, false},
	{"the tools", "children", "lessons/kit/child", all, false},
	{"the tools", "errors", "lessons/kit/errno", all, false},
	{"the tools", "doctor", "lessons/doctor", all, false},
	{"the tools", "verify", "lessons/author/verify", all, false},
	{"the tools", "lessons", "lessons", all, false},
	{"the exercises", "check", "lessons/exercise", all, false},
	{"the exercises", "watch", "lessons", []string{"TestWatch*"}, false},
	{"the exercises", "lint", "lessons/author/lint", all, false},
	{"the book", "commands and data", "docs", all, false},
	{"the book", "in a terminal", "lessons/author/book", all, false},
	{"the book", "what breaks", "lessons/author/breaks", all, false},
	{"the tools", "compare", "lessons/compare", all, false},
	{"the book", "pictures", "docs/pictures", all, false},
	{"the tools", "virtual machine", "lessons/vm", all, false},
	{"the tools", "talk with the VM", "lessons/vm/wire", all, false},
	{"the tools", "scratch", "lessons/kit/scratch", all, false},
	{"the tools", "leak probes", "lessons/kit/leak", all, false},
}

// Promises is the list that a run is held against: every step of the course, the parts, the container and
// the tools.
func Promises(p Profile) []Promise {
	var list []Promise
	for _, stage := range course.Stages {
		for _, step := range stage.Steps {
			list = append(list, Promise{
				Group: stage.Dir, Feature: step.Name, Package: stage.Dir,
				// The claim, and its control: without the feature it does not hold.
				Tests:   []string{"TestClaims/" + step.Name, "TestClaims/" + step.Name + "/without"},
				MaySkip: slices.ContainsFunc(step.Needs, func(f course.Feature) bool { return slices.Contains(p.MaySkip, f) }),
			})
		}
	}
	for _, a := range also {
		if !p.Whole || slices.ContainsFunc(Stages(), func(dir string) bool { return strings.HasPrefix(a.Package, dir) }) {
			list = append(list, a)
		}
	}
	return list
}
