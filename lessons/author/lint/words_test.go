package lint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWordsInGo(t *testing.T) {
	const source = "package p // " + "shal" + "l it\n\n" + // this file itself is checked
		"// One whole line, and it ends with " + "key\n// ring" + ", in two lines.\n" +
		"var anewVariable, s = `two\nlines with " + "colou" + "r`, \"fine\"\n"
	var got []string
	for _, p := range wordsInGo("x.go", []byte(source)) {
		got = append(got, p.String())
	}
	require.Equal(t, []string{
		`x.go:1: avoid "` + `shal` + `l": should, must`,
		`x.go:3: avoid "` + `key` + ` ring": keyring`,
		`x.go:6: avoid "` + `colou` + `r": American spelling`,
	}, got)
	require.Empty(t, wordsInGo("x.go", []byte("package p\n\nvar kill = colors // fine\n")), "identifiers are code")
}
