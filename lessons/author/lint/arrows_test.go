package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// glue are packages below a stage that are not parts, each with the reason. They belong to the
// stages' programs: they import the kit, and no part imports them.
var glue = map[string]string{
	"02-namespaces/box": "runs the -- COMMAND of stages 02 to 04, as package stage read it",
}

// early are the parts of a later stage that a stage's program imports all the same, each with the
// reason. A part never does.
var early = map[string]string{
	"01-cgroups imports 02-namespaces/procfs": "every program checks /proc before it makes anything",
}

// A level is what kind of package this is, and for which stage ("01" to "05") it is.
type level struct{ kind, stage string }

var inStage = regexp.MustCompile(`^(0\d)-[a-z]+(/|$)`)

func levelOf(pkg string) level {
	switch m := inStage.FindStringSubmatch(pkg); {
	case strings.HasPrefix(pkg, "lessons/kit/"):
		return level{"kit", ""}
	case m == nil:
		return level{"lessons", ""}
	case m[2] == "" || glue[pkg] != "":
		return level{"step", m[1]}
	default:
		return level{"part", m[1]}
	}
}

// wrongArrow says why package from must not import package to; "" if it may.
func wrongArrow(from, to string) string {
	f, t := levelOf(from), levelOf(to)
	switch {
	case t.stage > f.stage && f.stage != "" && early[from+" imports "+to] == "":
		return "it is of a later stage"
	case f.kind == "kit" && t.kind != "kit":
		return "the kit imports nothing but the kit"
	case f.kind == "part" && t.kind != "part" && to != "lessons/kit/todo":
		return "a part imports parts of its own and earlier stages, kit/todo and libraries"
	case f.kind == "step" && t.kind == "lessons":
		return "a stage's program imports the kit and the parts"
	}
	return ""
}

func wrongArrows(imports map[string][]string) (wrong []string) {
	for _, from := range slices.Sorted(maps.Keys(imports)) {
		for _, to := range imports[from] {
			if why := wrongArrow(from, to); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", from, to, why))
			}
		}
	}
	return wrong
}

// TestArrowsPointOneWay holds the order kit ← parts ← steps ← lessons, by what is compiled for
// Linux, with and without the learner's files. What only tests import does not count.
func TestArrowsPointOneWay(t *testing.T) {
	for _, tags := range []string{"", "mine"} {
		imports := goList(t, tags)
		require.Contains(t, imports["05-full"], "05-full/container", "go list lists the imports")
		require.Empty(t, wrongArrows(imports), "with -tags=%s", tags)
	}
}

// TestWrongArrowsAreFound keeps the rule itself from passing everything.
func TestWrongArrowsAreFound(t *testing.T) {
	for from, to := range map[string]string{
		"01-cgroups/cgroup":            "02-namespaces/namespace",
		"01-cgroups":                   "02-namespaces/box",
		"01-cgroups/cgroup/deep":       "02-namespaces/procfs",
		"02-namespaces/namespace":      "lessons/kit/child",
		"03-rootfs/rootfs/needs":       "lessons/exercise/claim",
		"04-network/network":           "02-namespaces/box",
		"lessons/kit/leak":             "01-cgroups/cgroup",
		"lessons/kit/stage":            "lessons/doctor",
		"04-network":                   "lessons/author/lint",
		"04-network/network/internet":  "lessons/kit/stage",
		"02-namespaces/namespace/deep": "lessons",
	} {
		require.Len(t, wrongArrows(map[string][]string{from: {to}}), 1, "%s imports %s", from, to)
	}
	require.Empty(t, wrongArrows(map[string][]string{
		"03-rootfs/rootfs":    {"01-cgroups/cgroup", "02-namespaces/namespace", "lessons/kit/todo"},
		"01-cgroups":          {"02-namespaces/procfs"},
		"02-namespaces/box":   {"01-cgroups/cgroup", "lessons/kit/stage"},
		"04-network":          {"02-namespaces/box", "04-network/network", "lessons/kit/leak"},
		"lessons/doctor":      {"04-network/network", "lessons/kit/errno"},
		"lessons/kit/narrate": {"lessons/kit/errno"},
	}))
}

// TestEveryPartHasAnExample holds what CONTRIBUTING.md asks for.
func TestEveryPartHasAnExample(t *testing.T) {
	example := regexp.MustCompile(`(?m)^func Example`)
	for pkg := range goList(t, "") {
		if levelOf(pkg).kind != "part" && glue[pkg] == "" {
			continue
		}
		files, err := filepath.Glob(filepath.Join("../../..", pkg, "*_test.go"))
		require.NoError(t, err)
		has := slices.ContainsFunc(files, func(name string) bool {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			return example.Match(text)
		})
		require.True(t, has, "%s has no Example in a test file", pkg)
	}
}

// goList returns which packages of the kit each of them imports.
func goList(t *testing.T, tags string) map[string][]string {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "-tags="+tags, "./...")
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "GOOS=linux")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	imports := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return imports
		} else if err != nil {
			t.Fatal(err)
		}
		of := strings.TrimPrefix(p.ImportPath, "containerkit/")
		imports[of] = nil
		for _, to := range p.Imports {
			if to, ours := strings.CutPrefix(to, "containerkit/"); ours {
				imports[of] = append(imports[of], to)
			}
		}
	}
}
