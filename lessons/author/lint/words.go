package lint

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// avoided are words that have a better one: the field's term, or plain American English. A word is here
// only if no use of it is right.
var avoided = []struct {
	word *regexp.Regexp
	use  string
}{
	{phrase(`(process )?number 1`), "PID 1"},
	{phrase(`process numbers?`), "PID"},
	{phrase(`bury|buries|buried|burying`), "reap"},
	{phrase(`key rings?`), "keyring"},
	{phrase(`who(m)?ever`), "a process that, anyone who"},
	{phrase(`tells? whether`), "reports whether"},
	{phrase(`hand(s|ed|ing)? down`), "enable (a controller)"},
	{phrase(`who is who`), "UID mapping"},
	{phrase(`address randomi[sz]ation`), "ASLR"},
	{phrase(`behaviours?|neighbours?\w*|colou?red by hand|colours?\w*`), "American spelling"},
	{phrase(`\w+(alis|anis|imis|ognis|andomis)(e|es|ed|ing|ation)`), "American spelling"},
	{phrase(`mends?|mended|mending`), "fix"},
	{phrase(`anew`), "again, new"},
	{phrase(`shall`), "should, must"},
	{phrase(`as a rule`), "usually"},
	{phrase(`by way of`), "via"},
}

// phrase matches words as a whole, in any case, also across a line break.
func phrase(words string) *regexp.Regexp {
	words = strings.ReplaceAll(words, " ", `(?:\s|//)+`)
	return regexp.MustCompile(`(?i)\b(?:` + words + `)\b`)
}

// words: no text of the kit has a word to avoid: not the Markdown, and in Go no comment and no string.
func (k Kit) words(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		list = append(list, wordsIn(p.file, 1, strings.Join(p.lines, "\n"))...)
	}
	err = filepath.WalkDir(k.Root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != k.Root || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(filepath.ToSlash(name), "author/lint/words.go"):
			return nil
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(k.Root, name)
		list = append(list, wordsInGo(rel, raw)...)
		return err
	})
	return list, err
}

// wordsInGo looks at the comments and the strings of a Go file. Line comments that follow one another are
// one text.
func wordsInGo(file string, source []byte) (list []Problem) {
	files := token.NewFileSet()
	f := files.AddFile(file, -1, len(source))
	var s scanner.Scanner
	s.Init(f, source, nil, scanner.ScanComments)
	first, text := 0, ""
	flush := func() {
		list = append(list, wordsIn(file, first, text)...)
		text = ""
	}
	for {
		pos, tok, literal := s.Scan()
		line := f.Line(pos)
		comment := tok == token.COMMENT
		if text != "" && (!comment || line > first+strings.Count(text, "\n")+1) {
			flush()
		}
		switch {
		case tok == token.EOF:
			return list
		case comment && text != "":
			text += "\n" + literal
		case comment:
			first, text = line, literal
		case tok == token.STRING:
			list = append(list, wordsIn(file, line, literal)...)
		}
	}
}

// wordsIn finds the words to avoid in a text that begins in this line.
func wordsIn(file string, line int, text string) (list []Problem) {
	for _, a := range avoided {
		for _, at := range a.word.FindAllStringIndex(text, -1) {
			found := strings.Join(strings.Fields(strings.ReplaceAll(text[at[0]:at[1]], "//", "")), " ")
			list = append(list, Problem{file, line + strings.Count(text[:at[0]], "\n"), fmt.Sprintf("avoid %q: %s", found, a.use)})
		}
	}
	return list
}
