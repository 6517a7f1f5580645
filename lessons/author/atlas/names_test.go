package atlas

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A list is a file of all names of a tool, testdata/TOOL.txt. Its first line says where they are from, and ends in the version.
// The rows of the map are compared with the list always. The list is compared with its origin when CONTAINERKIT_UPSTREAM is 1,
// because that is fetched: Docker's sources from the proxy of Go modules, LXC's manual page from Debian. With "write" it is
// written again. To take Docker's command line as a dependency would bring more modules than all of this kit has.
type list struct {
	tool   string
	origin string
	// fetch gets the names, of the version that the list has now, or whatever version there is.
	fetch func(t *testing.T, version string) (names []string, got string)
}

var lists = []list{
	{"docker", "docker run: cli/command/container/opts.go and run.go of github.com/docker/cli", dockerFlags},
	{"lxc", "lxc.container.conf(5): the package lxc of Debian 12", lxcKeys},
}

func (l list) file() string { return filepath.Join("testdata", l.tool+".txt") }

func (l list) read(t *testing.T) (names []string, version string) {
	t.Helper()
	raw, err := os.ReadFile(l.file())
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	version, ok := strings.CutPrefix(lines[0], "# "+l.origin+" ")
	require.True(t, ok, lines[0])
	return lines[1:], version
}

func TestEachNameHasItsRow(t *testing.T) {
	for _, l := range lists {
		names, _ := l.read(t)
		var has []string
		for _, r := range rows(t, l.tool) {
			has = append(has, r.Name)
		}
		require.ElementsMatch(t, names, has, "the names of %s, and its rows", l.tool)
	}
}

func TestTheNamesAreTheirOrigins(t *testing.T) {
	asked := os.Getenv("CONTAINERKIT_UPSTREAM")
	if asked == "" {
		t.Skip("fetches Docker's sources and Debian's package of lxc: CONTAINERKIT_UPSTREAM=1 go test -run Origins ./lessons/author/atlas")
	}
	for _, l := range lists {
		t.Run(l.tool, func(t *testing.T) {
			names, version := l.read(t)
			is, got := l.fetch(t, version)
			require.Greater(t, len(is), 90)
			if asked == "write" {
				text := "# " + l.origin + " " + got + "\n" + strings.Join(is, "\n") + "\n"
				require.NoError(t, os.WriteFile(l.file(), []byte(text), 0o644))
				return
			}
			require.Equal(t, is, names, "%s of version %s, and %s of %s; write them again with CONTAINERKIT_UPSTREAM=write", l.tool, got, l.file(), version)
		})
	}
}

// dockerFlags reads the flags from the sources that register them.
func dockerFlags(t *testing.T, version string) ([]string, string) {
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/docker/cli@"+version)
	cmd.Dir = t.TempDir() // no module's: nothing is added to ours
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	var names []string
	for _, file := range []string{"opts.go", "run.go"} {
		source, err := os.ReadFile(filepath.Join(module.Dir, "cli/command/container", file))
		require.NoError(t, err)
		found, err := registered(string(source))
		require.NoError(t, err)
		names = append(names, found...)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(long(a), long(b)) })
	return slices.Compact(names), version
}

func long(name string) string { return name[strings.Index(name, "--"):] }

// defines are the methods of a set of flags (pflag) that define one.
var defines = regexp.MustCompile(`^(\w*Var|Bool|String|Int|Duration)P?$`)

// registered are the flags that a Go file defines: the first text of each call flags.…Var is the name, and for …VarP the next
// one its letter.
func registered(source string) (names []string, err error) {
	f, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !defines.MatchString(method.Sel.Name) {
			return true
		}
		if on, ok := method.X.(*ast.Ident); !ok || on.Name != "flags" {
			return true
		}
		var texts []string
		for _, a := range call.Args {
			if l, ok := a.(*ast.BasicLit); ok && l.Kind == token.STRING {
				text, _ := strconv.Unquote(l.Value)
				texts = append(texts, text)
			}
		}
		switch {
		case len(texts) == 0:
			err = fmt.Errorf("a flag whose name is no text")
		case strings.HasSuffix(method.Sel.Name, "P") && len(texts) > 1 && texts[1] != "":
			names = append(names, "-"+texts[1]+", --"+texts[0])
		default:
			names = append(names, "--"+texts[0])
		}
		return true
	})
	return names, err
}

func TestRegistered(t *testing.T) {
	names, err := registered(`package p
func f(flags *pflag.FlagSet) {
	flags.VarP(&o.attach, "attach", "a", "Attach")
	flags.Var(&o.devices, "device", "Add a device")
	flags.SetAnnotation("gpus", "version", []string{"1.40"})
	flags.BoolVarP(&o.socket, "socket", "", false, "Lend")
	_ = flags.MarkDeprecated("old", "for long")
	flags.Bool("help", false, "Print usage")
	other.StringVar(&o.no, "no", "", "")
}`)
	require.NoError(t, err)
	require.Equal(t, []string{"-a, --attach", "--device", "--socket", "--help"}, names)
	_, err = registered("package p\nfunc f() { flags.BoolVar(&x, name, false, usage) }")
	require.Error(t, err)
}

// lxcKeys reads the keys from the manual page in Debian's package, which is fetched and not installed.
func lxcKeys(t *testing.T, _ string) ([]string, string) {
	dir := t.TempDir()
	run := func(name string, args ...string) []byte {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, "%s %v: %s", name, args, errs.String())
		return out
	}
	run("apt-get", "download", "lxc")
	packages, err := filepath.Glob(filepath.Join(dir, "lxc_*.deb"))
	require.NoError(t, err)
	require.Len(t, packages, 1)
	version := strings.TrimSpace(string(run("dpkg-deb", "--field", packages[0], "Version")))
	run("dpkg-deb", "--extract", packages[0], "x")
	f, err := os.Open(filepath.Join(dir, "x/usr/share/man/man5/lxc.container.conf.5.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	page, err := io.ReadAll(z)
	require.NoError(t, err)
	// 1:5.0.2-1+deb12u4 is LXC 5.0.2.
	version = regexp.MustCompile(`^(\d+:)?([^-]+)-.*`).ReplaceAllString(version, "$2")
	return keys(string(page)), version
}

var (
	bold  = regexp.MustCompile(`\\fB(lxc\.[^\\=]*?)[ .]*(=[^\\]*)?\\fR`)
	index = regexp.MustCompile(`^lxc\.net\.\d+`)
)

// keys are what the page sets in bold and what begins with "lxc.": the headings of its items, and keys that it tells of in the
// text alone. What is but the beginning of keys, or a key that a pattern such as lxc.sysctl.[…] stands for, is left out.
func keys(page string) (list []string) {
	page = strings.NewReplacer(`\-`, "-", `\&`, "").Replace(page)
	for _, m := range bold.FindAllStringSubmatch(page, -1) {
		key := index.ReplaceAllString(strings.TrimSpace(m[1]), "lxc.net.[i]")
		if key != "lxc.conf" { // another page
			list = append(list, key)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	var patterns []*regexp.Regexp
	for _, k := range list {
		if strings.HasSuffix(k, "]") && !strings.HasSuffix(k, "[i]") {
			p := regexp.MustCompile(`\\\[[^\]]*\\\]`).ReplaceAllString(regexp.QuoteMeta(k), `[a-z_]+`)
			patterns = append(patterns, regexp.MustCompile("^"+p+"$"))
		}
	}
	return slices.DeleteFunc(list, func(k string) bool {
		begins := k == "lxc.cgroup" || k == "lxc.cgroup2" || k == "lxc.net.[i]" || strings.HasSuffix(k, "*")
		return begins || slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool {
			return p.MatchString(k) && !strings.HasPrefix(k, "lxc.cgroup.dir.")
		})
	})
}

func TestKeys(t *testing.T) {
	require.Equal(t, []string{"lxc.arch", "lxc.cgroup.[controller name].[controller file]", "lxc.cgroup.dir", "lxc.cgroup.dir.monitor", "lxc.hook.pre-start",
		"lxc.net", "lxc.net.[i].link", "lxc.sysctl.[kernel parameters name]"},
		keys(`\*(T<\fBlxc.arch\fR\*(T> and \*(T<\fBlxc.arch = x86\fR\*(T>, \fBlxc.hook.pre\-start\fR
\fBlxc.net\fR \fBlxc.net.*\fR \fBlxc.net.0\fR \fBlxc.net.0.link = br0\fR \fBlxc.net.[i].link\fR. \fBlxc.conf\fR(5)
\fBlxc.cgroup.\fR \fBlxc.cgroup.[controller name].[controller file]\fR \fBlxc.cgroup.cpuset.cpus\fR \fBlxc.cgroup.dir\fR \fBlxc.cgroup.dir.monitor\fR
\fBlxc.sysctl.[kernel parameters name]\fR \fBlxc.sysctl.kernel\fR`))
}
