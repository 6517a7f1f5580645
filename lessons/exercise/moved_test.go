package exercise

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An updated containerkit: the exercise x is in package now; it was in package once.
var (
	updated = Exercise{Stage: "01-a", Name: "x", Title: "t", Task: "task", File: "now/x_mine.go"}
	history = moves{
		files:   map[string]string{"once/x_mine.go": "01-a/x"},
		imports: map[string]string{"containerkit/old/todo": todoImport},
	}
)

const (
	referenceX = "//go:build linux && !mine\n\npackage now\n\n" +
		"// X does it.\nfunc X() error { return nil }\n"
	solvedX = "//go:build linux && mine\n\npackage once\n\nimport \"os\"\n\n" +
		"// package once was fun\nfunc X() error { return os.Chdir(\"/\") }\n"
	stubOnce = "//go:build linux && mine\n\n// An older text.\npackage once\n\n" +
		"import \"containerkit/old/todo\"\n\n" +
		"func X() error {\n\treturn todo.Exercise(\"01-a/x\")\n}\n"
)

func updatedKit(t *testing.T, files map[string]string) (root, stub string) {
	t.Helper()
	root = t.TempDir()
	text, err := Stub(updated, []byte(referenceX))
	require.NoError(t, err)
	write(t, root, "now/x.go", referenceX)
	write(t, root, "now/x_mine.go", string(text))
	for name, text := range files {
		write(t, root, name, text)
	}
	return root, string(text)
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(raw)
}

func TestMigrate(t *testing.T) {
	fits := strings.Replace(solvedX, "package once\n", "package now\n", 1)
	other := strings.Replace(fits, "/", "/tmp", 1)
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	kept := copyName(updated, date)
	for name, c := range map[string]struct {
		files      map[string]string
		want, says string // "": the stub, nothing
		copied     string
	}{
		"nothing to do": {},
		"git left it behind, or an archive was unpacked over it": {
			files: map[string]string{"once/x_mine.go": solvedX}, want: fits,
			says: "moved your once/x_mine.go to now/x_mine.go",
		},
		"half solved": {
			files: map[string]string{"once/x_mine.go": stubOnce + "\nfunc half() {}\n"},
			want: strings.NewReplacer("package once", "package now", "containerkit/old/todo", todoImport).
				Replace(stubOnce) + "\nfunc half() {}\n",
			says: "moved your once/x_mine.go to now/x_mine.go",
		},
		"git followed the move": {
			files: map[string]string{"now/x_mine.go": solvedX}, want: fits,
			says: "packages have moved; changed the imports or the package clause of x_mine.go",
		},
		"both are written": {
			files: map[string]string{"once/x_mine.go": solvedX, "now/x_mine.go": other},
			want:  other, copied: solvedX,
			says: "once/x_mine.go has moved to now/x_mine.go, which is already yours; " +
				"what was there is kept in " + kept,
		},
		"both are the same": {
			files: map[string]string{"once/x_mine.go": solvedX, "now/x_mine.go": fits}, want: fits,
			says: "moved your once/x_mine.go to now/x_mine.go",
		},
		"it does not parse yet": {
			files: map[string]string{"once/x_mine.go": solvedX + "func {"}, want: fits + "func {",
			says: "moved your once/x_mine.go to now/x_mine.go",
		},
		"the old one is unsolved": {
			files: map[string]string{"once/x_mine.go": stubOnce}, copied: stubOnce,
			says: "once/x_mine.go has moved to now/x_mine.go, and was not solved; " +
				"what was there is kept in " + kept,
		},
		"git left a conflict": {
			files: map[string]string{"now/x_mine.go": "package once\n<<<<<<< HEAD\n=======\n>>>>>>> mine\n"},
			want:  "package once\n<<<<<<< HEAD\n=======\n>>>>>>> mine\n",
			says: "now/x_mine.go: git left conflict markers (<<<<<<<) in it: " +
				"keep your lines, and remove the others",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, stub := updatedKit(t, c.files)
			said, err := history.migrate(root, []Exercise{updated}, date)
			require.NoError(t, err)
			require.Equal(t, c.says, strings.Join(said, "\n"))
			want := c.want
			if want == "" {
				want = stub
			}
			require.Equal(t, want, read(t, root, "now/x_mine.go"))
			require.NoFileExists(t, filepath.Join(root, "once/x_mine.go"))
			if c.copied == "" {
				require.NoDirExists(t, filepath.Join(root, Room))
			} else {
				require.Equal(t, c.copied, read(t, root, kept))
			}
			again, err := history.migrate(root, []Exercise{updated}, date)
			require.NoError(t, err)
			if !strings.Contains(c.says, "conflict") {
				require.Empty(t, again, "the second run must change nothing")
			}
		})
	}
}

// TestMoved compares the real table with containerkit: each new path of an exercise or package
// exists, and no old path does.
func TestMoved(t *testing.T) {
	for old, id := range moved.files {
		list, err := Find(id)
		require.NoError(t, err, old)
		if list[0].File != old {
			require.NoFileExists(t, filepath.Join(root, old))
		}
	}
	for old, now := range moved.imports {
		dir := func(pkg string) string {
			return filepath.Join(root, strings.TrimPrefix(pkg, "containerkit/"))
		}
		require.NoDirExists(t, dir(old))
		require.DirExists(t, dir(now))
	}
}

// TestUnsolvedOfToday checks that unsolved agrees with Stub: a shipped file is unsolved, and a
// reference is not.
func TestUnsolvedOfToday(t *testing.T) {
	for _, e := range All() {
		reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
		require.NoError(t, err)
		stub, err := Stub(e, reference)
		require.NoError(t, err)
		require.True(t, unsolved(stub), e.ID())
		require.False(t, unsolved(Solution(reference)), e.ID())
	}
}
