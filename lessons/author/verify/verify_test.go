package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// canned writes what go test -json would about tests with these results: "pass", "fail", or the reason of a skip.
type canned struct{ strings.Builder }

func (c *canned) event(action, pkg, test, output string) {
	fmt.Fprintf(c, "{\"Action\":%q,\"Package\":%q,\"Test\":%q,\"Output\":%q}\n", action, pkg, test, output)
}

func (c *canned) test(pkg, test, result string) {
	c.event("run", pkg, test, "")
	c.event("output", pkg, test, "=== RUN   "+test+"\n")
	switch result {
	case "pass", "fail":
		c.event(result, pkg, test, "")
	default:
		c.event("output", pkg, test, "    stage_test.go:12: "+result+"\n")
		c.event("output", pkg, test, "--- SKIP: "+test+" (0.00s)\n")
		c.event("skip", pkg, test, "")
	}
}

// everything is a run in which all that is promised passes, but for the given results.
func everything(t *testing.T, but map[string]string) *Run {
	t.Helper()
	var c canned
	for _, p := range Promises(Profiles[0]) {
		for _, name := range p.Tests {
			result := "pass"
			if r, ok := but[p.Feature]; ok {
				result = r
			}
			if result != "missing" {
				c.test(Module+"/"+p.Package, strings.TrimSuffix(name, "*"), result)
			}
		}
	}
	run, err := Read(strings.NewReader(c.String()), nil)
	require.NoError(t, err)
	return run
}

func profile(t *testing.T, name string) Profile {
	p, err := Choose(name, -1)
	require.NoError(t, err)
	return p
}

func TestAllPassed(t *testing.T) {
	for _, p := range Profiles {
		v := Judge(everything(t, nil), p)
		require.True(t, v.OK())
		require.Zero(t, v.Skipped)
		for _, f := range v.Findings {
			require.Equal(t, Kept, f.State, "%+v", f)
		}
	}
}

func TestPromisedAndSkippedFails(t *testing.T) {
	run := everything(t, map[string]string{"uts": "no UTS namespace here"})
	for _, p := range Profiles {
		v := Judge(run, p)
		require.False(t, v.OK(), p.Name)
		require.Equal(t, []int{2, 0}, []int{v.Failed, v.Skipped}) // the claim and its control
		var out strings.Builder
		v.Write(&out)
		require.Contains(t, out.String(), "✗ uts          skipped, but promised: no UTS namespace here")
		require.True(t, strings.HasSuffix(out.String(), fmt.Sprintf("\n%d passed, 2 failed, 0 skipped\n", v.Passed)), out.String())
	}
}

// A disk that cannot be throttled is no failure for root, and the reason is told. In the VM it is one.
func TestMaySkip(t *testing.T) {
	run := everything(t, map[string]string{"io": "no disk to throttle"})
	for name, ok := range map[string]bool{"user": true, "root": true, "vm": false} {
		v := Judge(run, profile(t, name))
		require.Equal(t, ok, v.OK(), name)
		var out strings.Builder
		v.Write(&out)
		require.Contains(t, out.String(), "no disk to throttle")
	}
}

func TestPromisedAndMissingFails(t *testing.T) {
	v := Judge(everything(t, map[string]string{"nat": "missing"}), profile(t, "user"))
	require.Equal(t, 2, v.Failed)
	require.False(t, v.OK())
}

// Every test that failed is named at the end, with what it said: of a promise with two, too, and of none.
func TestFailure(t *testing.T) {
	run := everything(t, map[string]string{"pivot": "fail"})
	run.Tests = append(run.Tests, Test{Module + "/x", "TestNoPromise", "fail", "    x_test.go:1: it said\n        this\n"})
	v := Judge(run, profile(t, "root"))
	require.Equal(t, 3, v.Failed)
	var out strings.Builder
	v.Write(&out)
	require.Contains(t, out.String(), "✗ pivot        TestClaims/pivot failed\n")
	require.True(t, strings.HasSuffix(out.String(), fmt.Sprintf(`
failed
  03-rootfs TestClaims/pivot
      === RUN   TestClaims/pivot
  03-rootfs TestClaims/pivot/without
      === RUN   TestClaims/pivot/without
  x TestNoPromise
          x_test.go:1: it said
              this

%d passed, 3 failed, 0 skipped
`, v.Passed)), out.String())
}

// A subtest's failure is told once, and a parent whose subtests all skipped proves nothing.
func TestParents(t *testing.T) {
	var c canned
	c.event("run", "containerkit/x", "TestA", "")
	c.test("containerkit/x", "TestA/one", "fail")
	c.test("containerkit/x", "TestA/two", "pass")
	c.event("fail", "containerkit/x", "TestA", "")
	c.event("fail", "containerkit/x", "", "")
	c.event("run", "containerkit/y", "TestB", "")
	c.test("containerkit/y", "TestB/one", "not here")
	c.test("containerkit/y", "TestB/one/without", "nor this") // a brother, not a child
	c.event("pass", "containerkit/y", "TestB", "")
	run, err := Read(strings.NewReader(c.String()), nil)
	require.NoError(t, err)
	var got []string
	for _, x := range run.Tests {
		got = append(got, x.Name+" "+x.Result)
	}
	require.Equal(t, []string{"TestA/one fail", "TestA/two pass", "TestB/one skip", "TestB/one/without skip"}, got)
	require.Equal(t, "not here", run.Tests[2].Reason())
}

// A package may fail though each of its tests passed: it left something behind. Or it does not build.
func TestPackageFails(t *testing.T) {
	in := `{"Action":"run","Package":"containerkit/x","Test":"TestA"}
{"Action":"pass","Package":"containerkit/x","Test":"TestA"}
{"Action":"output","Package":"containerkit/x","Output":"the tests left something behind\n"}
{"Action":"fail","Package":"containerkit/x","Elapsed":0.1}
{"ImportPath":"containerkit/z [containerkit/z.test]","Action":"build-output","Output":"z.go:1: syntax error\n"}
{"ImportPath":"containerkit/z [containerkit/z.test]","Action":"build-fail"}
{"Action":"fail","Package":"containerkit/z","FailedBuild":"containerkit/z [containerkit/z.test]"}
`
	var told []string
	run, err := Read(strings.NewReader(in), func(line string) { told = append(told, strings.Fields(line)[1]) })
	require.NoError(t, err)
	require.Len(t, run.Tests, 3)
	require.Equal(t, Test{"containerkit/x", "", "fail", "the tests left something behind\n"}, run.Tests[1])
	require.Equal(t, Test{"containerkit/z", "", "fail", "z.go:1: syntax error\n"}, run.Tests[2])
	require.Equal(t, []string{"containerkit/x", "containerkit/z"}, told)
}

// A test program may be killed, or run out of time, in the middle of a test: what that test said until then is told.
func TestProgramEndsInATest(t *testing.T) {
	var c canned
	c.test("containerkit/x", "TestA", "pass")
	c.event("run", "containerkit/x", "TestB", "")
	c.test("containerkit/x", "TestB/one", "pass")
	c.event("run", "containerkit/x", "TestB/two", "")
	c.event("output", "containerkit/x", "TestB/two", "Segmentation fault\n")
	c.event("run", "containerkit/y", "TestC", "") // another package, which still runs
	c.event("output", "containerkit/x", "", "FAIL\n")
	c.event("fail", "containerkit/x", "", "")
	c.event("pass", "containerkit/y", "TestC", "")
	c.event("pass", "containerkit/y", "", "")
	run, err := Read(strings.NewReader(c.String()), nil)
	require.NoError(t, err)
	require.Equal(t, []Test{
		{"containerkit/x", "TestA", "pass", "=== RUN   TestA\n"},
		{"containerkit/x", "TestB/one", "pass", "=== RUN   TestB/one\n"},
		{"containerkit/x", "TestB", "fail", "the test program ended in this test\nFAIL\n"},
		{"containerkit/x", "TestB/two", "fail", "Segmentation fault\nthe test program ended in this test\nFAIL\n"},
		{"containerkit/y", "TestC", "pass", ""},
	}, run.Tests)
}

func TestOldResultsDoNotCount(t *testing.T) {
	_, err := Read(strings.NewReader(`{"Action":"output","Package":"containerkit/x","Output":"ok  \tcontainerkit/x\t(cached)\n"}`), nil)
	require.ErrorContains(t, err, "-count=1")
	_, err = Read(strings.NewReader("ok  	containerkit/x	0.1s\n"), nil)
	require.ErrorContains(t, err, "go test -json")
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name string
		uid  int
		want string
		err  string
	}{
		{"", 0, "root", ""}, {"", 1000, "user", ""}, {"vm", 0, "vm", ""}, {"user", 1000, "user", ""},
		{"root", 1000, "", "is for root, and this is an ordinary user"}, {"user", 0, "", "is for an ordinary user"}, {"all", 0, "", "no profile"},
	} {
		p, err := Choose(c.name, c.uid)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, p.Name)
	}
}
