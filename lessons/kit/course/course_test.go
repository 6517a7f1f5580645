package course

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The stages and the lessons read this table, so its entries must be complete and unique.
func TestTableOfContents(t *testing.T) {
	word := regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	dirs := map[string]bool{}
	for _, stage := range Stages {
		require.Regexp(t, `^0[1-5]-[a-z]+$`, stage.Dir)
		require.False(t, dirs[stage.Dir], "%s is there twice", stage.Dir)
		dirs[stage.Dir] = true
		require.NotEmpty(t, stage.Title)
		require.NotEmpty(t, stage.Adds)
		require.NotEmpty(t, stage.Steps)
		names := map[string]bool{}
		for _, s := range stage.Steps {
			require.Regexp(t, word, s.Name)
			require.NotEqual(t, "leaks", s.Name, "this name is for the leak table")
			require.False(t, names[s.Name], "%s has %s twice", stage.Dir, s.Name)
			names[s.Name] = true
			require.NotEmpty(t, s.Claim, s.Name)
			require.NotContains(t, s.Claim, "\n", "a claim is one line")
			require.False(t, strings.HasSuffix(s.Claim, "."), "a claim has no full stop: %s", s.Claim)
			needs := map[Feature]bool{}
			for _, f := range s.Needs {
				require.False(t, needs[f], "%s needs %s twice", s.Name, f)
				needs[f] = true
			}
		}
	}
	require.Len(t, dirs, 5)
}
