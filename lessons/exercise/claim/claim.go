// Package claim reports failures of exercises in the learner's words, with what the test expected
// and what the kernel says instead. `go run ./lessons check` reads them from the output of `go test
// -json`.
package claim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// The marks at the beginning of a line. A value can have several lines: each of them gets the mark.
const (
	Claim    = "claim: "
	Expected = "expected: "
	Got      = "got: "
	From     = "from: "
	Fact     = "fact: "
)

// Equal fails and stops the test if want and got differ. what is the claim; from says where got was
// read, such as "/proc/PID/mountinfo".
func Equal(t testing.TB, what, from string, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		fail(t, what, from, want, got)
	}
}

// True fails and stops the test if ok is false. want and got describe the values in words.
func True(t testing.TB, what, from string, ok bool, want, got any) {
	t.Helper()
	if !ok {
		fail(t, what, from, want, got)
	}
}

// NoError fails and stops the test if err is an error. what names the call that should work.
func NoError(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		fail(t, what, "the function's own error", "no error", err)
	}
}

// State reports a fact from the kernel for the diagnosis: a name such as "propagation", and its
// value. Call it before a claim that can fail.
func State(t testing.TB, name string, value any) {
	t.Helper()
	t.Log(Fact + name + "=" + strings.ReplaceAll(fmt.Sprint(value), "\n", " "))
}

func fail(t testing.TB, what, from string, want, got any) {
	t.Helper()
	t.Log(mark(Claim, what) + mark(Expected, want) + mark(Got, got) + mark(From, from))
	t.FailNow()
}

func mark(word string, value any) (text string) {
	for line := range strings.Lines(fmt.Sprint(value)) {
		text += "\n" + word + strings.TrimRight(line, "\n")
	}
	if text == "" {
		text = "\n" + word
	}
	return text
}
