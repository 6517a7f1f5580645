//go:build linux

package namespace

import (
	"slices"
	"strings"
)

// lastOfEach keeps one entry for each variable: the last one, as os/exec does. To the kernel, an
// environment is a list of strings. (execve(2)) Of two entries with one name, getenv(3) returns the
// first and bash uses the last, so the result would depend on the program's language.
func lastOfEach(env []string) []string {
	seen := make(map[string]bool, len(env))
	kept := make([]string, 0, len(env))
	for _, entry := range slices.Backward(env) {
		name, _, isVariable := strings.Cut(entry, "=")
		if isVariable && seen[name] {
			continue
		}
		if isVariable {
			seen[name] = true
		}
		kept = append(kept, entry)
	}
	slices.Reverse(kept)
	return kept
}
