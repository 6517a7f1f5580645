//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/course"
)

// A malformed is a malformed command line, and the line that answers it.
type malformed struct {
	program string
	args    []string
	says    string // a pattern for the line after the program's name
}

type lines []malformed

func (l *lines) add(program, says string, args ...string) {
	*l = append(*l, malformed{program, args, says})
}

// each adds a line for each of the values. {} in says stands for the value, quoted.
func (l *lines) each(program, says, flag string, values []string, rest ...string) {
	for _, v := range values {
		quoted := regexp.QuoteMeta(strings.ReplaceAll(v, `\`, `\\`))
		l.add(program, strings.ReplaceAll(says, "{}", `"`+quoted+`"`), append([]string{flag + "=" + v}, rest...)...)
	}
}

var (
	noBool   = []string{"x", "", "2", "yes", " true", "True ", "1.0"}
	noNumber = []string{"x", "", "1.5", "0x", "1e3", "1 ", "--", "99999999999999999999"}
)

// ofAStage adds the lines that every stage rejects.
func (l *lines) ofAStage(dir string) {
	for _, flag := range []string{"json", "list", "pause", "quiet", "without"} {
		l.each(dir, `invalid boolean value {} for -`+flag+`: parse error`, "-"+flag, noBool)
	}
	for _, flag := range []string{"nonsense", "x", "Json", "josn"} {
		l.add(dir, `flag provided but not defined: -`+flag, "-"+flag)
		l.add(dir, `flag provided but not defined: -`+flag, "--"+flag+"=1", "--", "true")
	}
	for _, flag := range []string{"---json", "-=", "-=x", "--="} {
		l.add(dir, `bad flag syntax: `+flag, flag)
	}
	for _, step := range []string{"nosuch", "", "a b", "../go.mod", "99", "*", "\n", "\x1b[31m", strings.Repeat("x", 5000)} {
		l.add(dir, `no step ".*"; go run ./`+dir+` -list shows the steps`, step)
		l.add(dir, `no step ".*"; go run ./`+dir+` -list shows the steps`, "-without", step)
	}
	l.add(dir, `no step "leasks"; did you mean "leaks"\?`, "leasks")
	for _, before := range [][]string{{}, {"-quiet"}, {"leaks"}} {
		for _, after := range [][]string{{}, {""}} {
			l.add(dir, `-- needs a command after it, for example: -- sh -c 'echo hello'`, slices.Concat(before, []string{"--"}, after)...)
		}
	}
	l.add(dir, `-list lists all steps: it can't be used with a step or a command`, "-list", "leaks")
	l.add(dir, `-list lists all steps: it can't be used with a step or a command`, "-list", "--", "true")
	l.add(dir, `-without needs a step: leaks has no feature to leave out`, "-without", "leaks")
	for _, flag := range []string{"-json", "-pause", "-without"} {
		l.add(dir, flag+` needs a step: a command makes no claims`, flag, "--", "true")
	}
	l.add(dir, `name either steps or -- COMMAND, not both`, "leaks", "--", "true")
}

// ofTheContainer adds the lines that only 05-full rejects.
func (l *lines) ofTheContainer() {
	const dir = "05-full"
	run := []string{"--", "true"}
	l.each(dir, `invalid value {} for flag -cpus: parse error`, "-cpus", []string{"x", "", "0x", "1,5", "1.5.2", "1 ", "½"}, run...)
	l.each(dir, `-cpus: cgroup: limit of \S+ CPUs: must be between 0.01 and 65536`, "-cpus",
		[]string{"-1", "1e9", "NaN", "Inf", "-Inf"}, run...)
	l.add(dir, `-cpus: cgroup: limit of 1e-05 CPUs \(1 µs in 100000\): .*`, "-cpus=0.00001", "--",
		"true")
	l.each(dir, `invalid value {} for flag -pids: (parse error|value out of range)`, "-pids", noNumber, run...)
	l.add(dir, `-pids: cgroup: limit of -1 processes: cannot be negative`, "-pids=-1", "--", "true")
	l.add(dir, `container: a limit of 15 processes: it must be at least 16, .*`, "-pids=15", "--", "true")
	l.each(dir, `invalid value {} for flag -memory: {} is not a size: .*`, "-memory",
		[]string{"x", "", "-1", "1.5m", "1t", "m", "64mb", "99999999999999999999", "0x10", "1 k", "18446744073709551615g"}, run...)
	l.each(dir, `-network .*: must be lo or bridge`, "-network", []string{"x", "", "host", "none", "LO", "bridge ", "-"}, run...)
	l.each(dir, `invalid value {} for flag -env: want NAME=VALUE`, "-env", []string{"", "A", "=x", "="}, run...)
	l.each(dir, `invalid value {} for flag -volume: volume {}: .*`, "-volume",
		[]string{"", "x", "/tmp", "/tmp:", "/tmp:m", ":/m", "/tmp:/m:rx", "/tmp:/m:ro:x", "/tmp:/", "/tmp:/../.."}, run...)
	l.add(dir, `volume /nosuch: no such file or directory`, "-volume=/nosuch:/m", "--", "true")
	l.each(dir, `invalid boolean value {} for -read-only: parse error`, "-read-only", noBool, run...)
	for _, flag := range []string{"cpus", "pids", "memory", "network", "hostname", "env", "volume", "rootfs", "workdir"} {
		l.add(dir, `flag needs an argument: -`+flag, "-"+flag)
		l.add(dir, `flag needs an argument: -`+flag, "-quiet", "-"+flag, "--", "true")
	}
}

// ofTheCourse adds the lines that lessons rejects.
func (l *lines) ofTheCourse() {
	const p = "lessons"
	for _, c := range commands().Commands() {
		name := c.Name()
		if name == "help" || name == "map" {
			continue
		}
		l.add(p, `unknown flag: --nonsense`, name, "-nonsense")
		l.add(p, `unknown flag: --nonsense`, name, "--nonsense=1")
		l.add(p, `bad flag syntax: ---x`, name, "---x")
		l.add(p, `unknown shorthand flag: '=' in -=`, name, "-=")
		l.add(p, `unknown shorthand flag: 'z' in -z`, name, "-z")
		for _, f := range askLessons(name).Flags {
			flag, valued := strings.CutSuffix(f, " ")
			switch {
			case flag == "help" || flag == "h":
			case valued && len(flag) > 1:
				l.add(p, `flag needs an argument: --`+flag, name, "-"+flag)
			case !valued:
				for _, v := range noBool {
					l.add(p, `invalid argument "`+v+`" for "--`+flag+`" flag: invalid syntax`, name, "--"+flag+"="+v)
				}
			}
		}
	}
	for _, c := range [][]string{{"vm", "-cpus"}, {"vm", "-memory"}, {"compare", "-rounds"}, {"compare", "-vm"}, {"read", "-run"}} {
		for _, v := range noNumber {
			l.add(p, `invalid argument "`+v+`" for "(-n, )?-`+c[1]+`" flag: (invalid syntax|value out of range)`, c[0], c[1]+"="+v)
		}
	}
	for _, name := range []string{"doctor", "verify", "clean", "compare", "report"} {
		for _, word := range []string{"nosuch", "", "pid"} {
			l.add(p, `unknown command "`+word+`" for "go run ./lessons `+name+`"`, name, word)
		}
	}
	for _, name := range []string{"check", "hint", "solution", "diff", "reset", "watch"} {
		for _, word := range []string{"nosuch", "", "03-rootfs/nosuch", "../x", "\n"} {
			l.add(p, `no exercise ".*" \(go run ./lessons check -all lists them\)`, name, word)
		}
		l.add(p, `no exercise "pivto"; did you mean "03-rootfs/pivot"\? .*`, name, "pivto")
		if name != "check" && name != "reset" {
			l.add(p, `accepts at most 1 arg\(s\), received 2`, name, "pivot", "proc")
			l.add(p, `03-rootfs stands for 6 exercises; name one, such as 03-rootfs/bind`, name, "03-rootfs")
		}
	}
	for says, lines := range map[string][][]string{
		`no command ".*"`: {{"nosuch"}, {""}, {"a b"}, {"../x"}, {"99"}, {"\n"}, {strings.Repeat("x", 3000)}},
		`no command "\w+"; did you mean "(check|doctor|clean|verify)"\?`: {{"chekc", "pivot"}, {"Doctor"}, {"cleen"}, {"verfy"}},
		`.* is a stage, with its own program: go run ./0\S+`:             {{"02-namespaces"}, {"./05-full"}, {"05-full/", "--", "sh"}},
		`unknown (shorthand )?flag: .*`:                                  {{"-x"}, {"-nosuch"}, {"--nosuch=1"}, {"-json"}},
		`-engine ".*": want auto, qemu or uml`:                           {{"verify", "-engine=x"}, {"verify", "-engine="}, {"verify", "-profile=vm", "-engine=QEMU"}},
		`no profile "\w+"; there are user, root and vm`:                  {{"verify", "-profile=laptop"}, {"verify", "-profile=ROOT"}},
		`-from needs .*`: {{"verify", "-from=x"}, {"verify", "-from="}, {"verify", "-profile=root", "-from="}},
		`open /nosuch: no such file or directory`:      {{"class", "/nosuch"}, {"verify", "-profile=root", "-from=/nosuch"}},
		`no engine ".*"; there are auto, qemu and uml`: {{"vm", "-engine=x"}, {"vm", "-engine=", "--", "true"}},
		`-share ".*": ro or rw`:                        {{"vm", "-share=x"}, {"vm", "-share="}, {"vm", "-share=RW", "--", "true"}},
		`-user ".*": root or learner`:                  {{"vm", "-user=x"}, {"vm", "-user="}},
		`-cpus -?\d+: from 1 to 64`:                    {{"vm", "-cpus=0"}, {"vm", "-cpus=-1"}, {"vm", "-cpus=65"}},
		`-memory -?\d+: the VM needs 512 MiB at least`: {{"vm", "-memory=0"}, {"vm", "-memory=-1"}, {"vm", "-memory=511"}},
		`-keep.*`: {{"vm", "-keep=/nosuch"}, {"vm", "-keep="}},
		`a command for the VM comes after --: vm -- nosuch`:    {{"vm", "nosuch"}},
		`-n .* -vm .*: at least one round, .*`:                 {{"compare", "-rounds=0"}, {"compare", "-n", "-1"}, {"compare", "-vm=-1"}},
		`.* mentions \d+ commands: -run 1 to -run \d+`:         {{"read", "-run=99", "01-cgroups"}, {"read", "-run=0", "01-cgroups"}, {"read", "-run=-1", "02-namespaces"}},
		`no chapter ".*" \(go run ./lessons read lists them\)`: {{"read", "nosuch"}, {"read", ""}, {"read", "../go.mod"}},
		`accepts (at most )?1 arg\(s\), received \d`:           {{"read", "a", "b"}, {"break"}, {"break", "a", "b"}, {"class"}, {"class", "a", "b"}},
		`no step ".*"; go run ./lessons lists them`:            {{"break", "nosuch"}, {"break", ""}, {"break", "99-x/pid"}},
		`map: which flag, key, field or word\? .*`:             {{"map"}, {"map", ""}, {"map", " "}},
		`nothing on the map has ".*"; .*`:                      {{"map", "--nosuch"}, {"map", "zzzz"}},
		`docker run has no flag -.*`:                           {{"map", "docker", "run", "--nosuch"}, {"map", "--nosuch=1"}},
		`requires at least 1 arg\(s\), only received 0`:        {{"reset"}},
		`03-rootfs: only -exercises takes names`:               {{"lint", "03-rootfs"}},
		`open /etc/passwd: not a directory`:                    {{"class", "/etc/passwd"}},
		`stat /nosuch: no such file or directory`:              {{"report", "-o", "/nosuch/x"}},
		`-output "": want a file name`:                         {{"report", "-o", ""}},
	} {
		for _, args := range lines {
			l.add(p, says, args...)
		}
	}
}

// TestMalformedCommandLines checks that every malformed command line gets one line that names what
// is wrong.
func TestMalformedCommandLines(t *testing.T) {
	var all lines
	programs := []string{"./lessons"}
	for _, s := range course.Stages {
		programs = append(programs, "./"+s.Dir)
		all.ofAStage(s.Dir)
	}
	all.ofTheContainer()
	all.ofTheCourse()
	require.GreaterOrEqual(t, len(all), 400)

	dir := t.TempDir()
	build := exec.Command("go", append([]string{"build", "-o", dir + "/"}, programs...)...)
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	todo := make(chan malformed)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for m := range todo {
				if wrong := m.try(t.Context(), filepath.Join(dir, m.program)); wrong != "" {
					t.Errorf("%s %.100q: %s", m.program, m.args, wrong)
				}
			}
		})
	}
	for _, m := range all {
		todo <- m
	}
	close(todo)
	running.Wait()
	t.Logf("%d command lines", len(all))
}

// try runs a line, and says what is wrong with the answer.
func (m malformed) try(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, m.args...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "NO_COLOR=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the status is looked at
	answer, more, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
	more = strings.TrimSpace(more)
	switch status := cmd.ProcessState.ExitCode(); {
	case ctx.Err() != nil:
		return "no answer within a minute"
	case !slices.Contains([]int{1, 2, 125}, status):
		return "accepted, or terminated by a signal: " + cmd.ProcessState.String() + ": " + errs.String()
	case out.Len() > 0:
		return "standard output: " + out.String()
	case !regexp.MustCompile("^(?:" + m.program + ": " + m.says + ")$").MatchString(answer):
		return "want " + m.says + ", got " + answer
	case status == 2 && !strings.HasPrefix(more, "try: go run ./"), strings.Contains(more, "\n"), strings.Contains(more, "goroutine"):
		return "more than a line: " + more
	}
	return ""
}
