package lint

import (
	"slices"

	"containerkit/lessons/author/breaks"
)

// breaks: what the lesson of a step tells to break is a change of lines that are there, and it says what then happens.
func (k Kit) breaks(pages []page) (list []Problem, err error) {
	for _, stage := range k.Stages {
		file := stage.Dir + "/README.md"
		i := slices.IndexFunc(pages, func(p page) bool { return p.file == file })
		if i < 0 {
			continue // told by lessons
		}
		sections := pages[i].sections()
		for _, step := range stage.Steps {
			at := slices.IndexFunc(sections, func(s section) bool { return s.title == step.Name })
			if at < 0 {
				continue // the same
			}
			b, err := breaks.Parse(stage.Dir, step.Name, sections[at].text, sections[at].line+1)
			if err == nil {
				_, err = b.Changed(k.Root)
			}
			if err != nil {
				list = append(list, Problem{file, b.Line, "the lesson of " + step.Name + " " + err.Error()})
			}
		}
	}
	return list, nil
}
