package atlas

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/course"
)

const kit = "../../.."

func rows(t *testing.T, tool string) []Row {
	t.Helper()
	list, err := Read(kit, tool)
	require.NoError(t, err)
	return list
}

// Whatever the kit teaches has a word of somebody's that leads to it.
func TestEachStepIsReached(t *testing.T) {
	reached := map[string]bool{}
	for _, tool := range Tools {
		for _, r := range rows(t, tool) {
			for _, s := range r.Steps {
				reached[s] = true
			}
		}
	}
	for _, stage := range course.Stages {
		for _, s := range stage.Steps {
			require.True(t, reached[stage.Dir+"/"+s.Name], "no row of the map leads to %s/%s", stage.Dir, s.Name)
		}
	}
}

func TestEachRowIsALineAndStandsOnce(t *testing.T) {
	for _, tool := range Tools {
		known := map[string]bool{}
		for _, r := range rows(t, tool) {
			require.NotContains(t, r.Does+r.Kernel+r.Source, "\n", r.Name)
			require.Equal(t, slices.Compact(slices.Sorted(slices.Values(r.Steps))), slices.Sorted(slices.Values(r.Steps)), "%s names a step twice", r.Name)
			for _, name := range r.Names() {
				require.False(t, known[name], "%s has %s twice", tool, name)
				known[name] = true
			}
		}
	}
}

// A line may move; that it is there, and that no exercise's unsolved file stands for it, is looked at here.
func TestEachLineIsThere(t *testing.T) {
	for _, tool := range Tools {
		for _, r := range rows(t, tool) {
			if r.At == "" {
				continue
			}
			file, _, err := r.Line(kit)
			require.NoError(t, err, r.Name)
			require.NotRegexp(t, `_(mine|test)\.go$`, file, r.Name)
		}
	}
}

// made is a kit with one file of the map.
func made(t *testing.T, lines ...string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "docs/map"), 0o755))
	text := strings.Join(append([]string{strings.Join(columns, ",")}, lines...), "\n") + "\n"
	for _, tool := range Tools {
		if tool != "docker" {
			text = strings.Join(columns, ",") + "\n"
		}
		require.NoError(t, os.WriteFile(filepath.Join(root, "docs/map", tool+".csv"), []byte(text), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.go"), []byte("package a\n\n// Call calls.\nfunc Call() {}\n"), 0o644))
	return root
}

const good = `"-a, --all",does | it,CALL,"call(2), Documentation/x/y.rst",teach,01-cgroups/pids 02-namespaces/pid,a.go Call`

func TestWhatARowMustSay(t *testing.T) {
	_, err := Read(made(t, good), "docker")
	require.NoError(t, err)
	for name, c := range map[string]struct{ line, says string }{
		"a step that is not there":       {strings.Replace(good, "01-cgroups/pids", "01-cgroups/uts", 1), "there is no step 01-cgroups/uts"},
		"a step without its stage":       {strings.Replace(good, "01-cgroups/pids", "pids", 1), "there is no step pids"},
		"taught, and no step":            {strings.Replace(good, "01-cgroups/pids 02-namespaces/pid", "", 1), "has a step and a line"},
		"taught, and no line":            {strings.Replace(good, "a.go Call", "", 1), "has a step and a line"},
		"named, and a step":              {strings.Replace(good, "teach", "name", 1), "so it is taught"},
		"no counterpart, and a kernel":   {"--x,does,CALL,,none,,", "no counterpart, and yet"},
		"no source":                      {"--x,does,CALL,,name,,", "a source"},
		"a source that is none":          {"--x,does,CALL,a book,name,,", "a source"},
		"no kernel":                      {"--x,does,,call(2),name,,", "stands behind it"},
		"another word":                   {"--x,does,,,taught,,", `not "taught"`},
		"nothing said":                   {"--x,,,,none,,", "says what it does"},
		"columns missing":                {"--x,does", "wrong number of fields"},
		"a name alone, with its columns": {",does,,,none,,", "has a name"},
	} {
		_, err := Read(made(t, good, c.line), "docker")
		require.ErrorContains(t, err, c.says, name)
	}
	root := made(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs/map/lxc.csv"), []byte("name,does\n"), 0o644))
	_, err = Read(root, "lxc")
	require.ErrorContains(t, err, "first row")
	_, err = Read(root, "podman")
	require.ErrorContains(t, err, "there is no docs/map/podman.csv")
}

func TestSource(t *testing.T) {
	root := made(t, good, "--note,a note,,,none,,", "--mask,bits,umask(2),umask(2),name,,a.go Call", "--more,bits,CALL,umask(2),name,,")
	is := func(want string, args ...string) {
		t.Helper()
		got, err := Source(root, "docs/map.md", args)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	is("4 rows: 1 taught, 2 named, 1 without a counterpart", "docker")
	is("| name | what it does | in the kernel | step | here |\n| --- | --- | --- | --- | --- |\n"+
		"| `-a`, `--all` | does \\| it | CALL; call(2), [y.rst](https://docs.kernel.org/x/y.html) | "+
		"[01-cgroups/pids](../01-cgroups/README.md#pids), [02-namespaces/pid](../02-namespaces/README.md#pid) | [a.go:4](../a.go#L4) |\n", "docker", "teach")
	is("| name | what it does | in the kernel | here |\n| --- | --- | --- | --- |\n"+
		"| `--mask` | bits | umask(2) | [a.go:4](../a.go#L4) |\n| `--more` | bits | CALL; umask(2) |  |\n", "docker", "name")
	is("| name | what it is |\n| --- | --- |\n| `--note` | a note |\n", "docker", "none")

	for _, args := range [][]string{{}, {"podman"}, {"docker", "taught"}, {"docker", "teach", "more"}} {
		_, err := Source(root, "docs/map.md", args)
		require.Error(t, err, args)
	}
	// A line that is no longer there is told with its row.
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.go"), []byte("package a\n\nfunc Shout() {}\n"), 0o644))
	_, err := Source(root, "docs/map.md", []string{"docker", "teach"})
	require.ErrorContains(t, err, "-a, --all: a.go declares no Call")
}

func TestFind(t *testing.T) {
	for words, want := range map[string][]string{
		"--memory":                       {"-m, --memory"},
		"-m":                             {"-m, --memory"},
		"PIDS-LIMIT":                     {"--pids-limit"},
		"--cpuset":                       {"--cpuset-cpus", "--cpuset-mems"}, // with a dash it is a part of a name
		"lxc.cgroup2.memory.max":         {"lxc.cgroup2.[controller name].[controller file]"},
		"lxc.cgroup.dir":                 {"lxc.cgroup.dir"},
		"lxc.net.0.mtu":                  {"lxc.net.[i].mtu"},
		"mounts.type":                    {"mounts[].type"},
		"linux.timeOffsets.secs":         {"linux.timeOffsets{}.secs"},
		"hooks.poststop.path":            {"hooks.*[].path"},
		"hostname":                       {"-h, --hostname", "hostname"},
		"docker cgroup_namespaces":       {"--cgroupns"},
		"what nobody has written anyhow": nil,
		"-it":                            {"-i, --interactive", "-t, --tty"},
		"-cpus":                          {"--cpus"}, // a long flag may be written with one dash
		"-rm":                            {"--rm"},
		"-net":                           {"--net"},
		"docker run -p 80:80 -P x":       {"-p, --publish", "-P, --publish-all"},
		"docker run -itm100m --rm --cpus 2 -e A=-d --network=none alpine ls -l": {
			"-i, --interactive", "-t, --tty", "-m, --memory", "--rm", "--cpus", "-e, --env", "--network"},
		"podman container create -P --read-only x": {"-P, --publish-all", "--read-only"},
		"linux.seccomp.syscalls.args.ops":          nil,
	} {
		found, err := Find(kit, strings.Fields(words)...)
		require.NoError(t, err)
		var names []string
		for _, r := range found {
			names = append(names, r.Name)
		}
		require.Equal(t, want, names, words)
	}
	_, err := Find(kit, "docker", "run", "--rm", "--no-such-flag", "alpine")
	require.ErrorContains(t, err, "docker run has no flag --no-such-flag")
}

// The page names the versions that the names were taken from.
func TestThePageNamesTheVersions(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(kit, "docs/map.md"))
	require.NoError(t, err)
	for _, list := range lists {
		_, version := list.read(t)
		require.Regexp(t, `\b`+regexp.QuoteMeta(strings.TrimSuffix(version, "+incompatible"))+`\b`, string(page), list.tool)
	}
	require.Contains(t, string(page), "runtime specification "+ociVersion)
}
