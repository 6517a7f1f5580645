package exercise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
)

// Room is the directory in containerkit for a learner's progress and for copies of replaced files.
// Git ignores it.
const Room = ".mine"

// Find returns the exercises that the names stand for. A name is STAGE, STAGE/NAME, or NAME. If no
// exercise has that name, it can be the step of a lesson, with or without its stage. Without names,
// Find returns all exercises.
func Find(names ...string) ([]Exercise, error) {
	all := All()
	if len(names) == 0 {
		return all, nil
	}
	var found []Exercise
	for _, name := range names {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
		n := len(found)
		for _, fits := range []func(Exercise) bool{
			func(e Exercise) bool { return name == e.ID() || name == e.Stage || name == e.Name },
			func(e Exercise) bool { return name == e.Step || name == e.Stage+"/"+e.Step },
		} {
			if len(found) == n {
				found = append(found, slices.DeleteFunc(slices.Clone(all), func(e Exercise) bool { return !fits(e) })...)
			}
		}
		if len(found) == n {
			guess := ""
			if near := nearest(name, all); near != "" {
				guess = fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, fmt.Errorf("no exercise %q%s (go run ./lessons check -all lists them)", name, guess)
		}
	}
	return found, nil
}

// nearest returns the exercise whose name is at most two edits away, or "". Of a short name, at
// least half must be right.
func nearest(name string, all []Exercise) string {
	best, distance := "", min(2, len(name)/2)+1
	for _, e := range all {
		for _, id := range []string{e.ID(), e.Name} {
			if d := levenshtein.ComputeDistance(name, id); d < distance {
				best, distance = e.ID(), d
			}
		}
	}
	return best
}

// Record holds the history of an exercise.
type Record struct {
	Tries   int       `json:"tries"`
	First   time.Time `json:"first"`             // the first check of a changed file
	Solved  time.Time `json:"solved,omitzero"`   // the first check that passed
	Last    Outcome   `json:"last"`              // the outcome of the last check
	Hints   int       `json:"hints,omitempty"`   // hints that the learner asked for
	General int       `json:"general,omitempty"` // hints among them that do not depend on the state
	Peeked  bool      `json:"peeked,omitempty"`  // the solution was shown before it was solved
}

// Progress holds the records of all exercises, by ID.
type Progress map[string]Record

func progressFile(root string) string { return filepath.Join(root, Room, "progress.json") }

// LoadProgress reads the progress. A missing file means no progress.
func LoadProgress(root string) (Progress, error) {
	raw, err := os.ReadFile(progressFile(root))
	if errors.Is(err, os.ErrNotExist) {
		return Progress{}, nil
	}
	if err != nil {
		return nil, err
	}
	p := Progress{}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("%s: %w; move it away to start again", progressFile(root), err)
	}
	if p == nil { // the file holds null
		p = Progress{}
	}
	return p, nil
}

// Save writes the changes since before into the file, whole or not at all. Afterwards p and before
// hold what the file holds. Another process can have written to it in the meantime, because watch
// runs in one window and check in another.
func (p Progress) Save(root string, before Progress) error {
	unlock, err := lock(root)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := LoadProgress(root)
	if err != nil {
		return err
	}
	for id := range before {
		if _, ok := p[id]; !ok {
			delete(all, id)
		}
	}
	for id, record := range p {
		if old, ok := before[id]; !ok || old != record {
			all[id] = record
		}
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(progressFile(root), append(raw, '\n')); err != nil {
		return err
	}
	for _, m := range []Progress{p, before} {
		clear(m)
		maps.Copy(m, all)
	}
	return nil
}

// Note records the result of a check.
func (p Progress) Note(r Result, now time.Time) {
	record := p[r.Exercise.ID()]
	record.Last = r.Outcome
	switch r.Outcome {
	case Solved:
		if record.Solved.IsZero() {
			record.Tries++
			record.Solved = now
		}
	case Failed, Broken:
		record.Tries++
	}
	if r.Outcome != Unsolved && record.First.IsZero() {
		record.First = now
	}
	p[r.Exercise.ID()] = record
}

// Put writes the learner's file. It keeps a copy of the old file, unless that is the shipped one,
// and returns the copy's name.
func Put(root string, e Exercise, text []byte, now time.Time) (kept string, err error) {
	path := filepath.Join(root, e.File)
	old, err := readRegular(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		kept = copyName(e, now) // a directory can hold the learner's work
		if err := makeDir(filepath.Join(root, Room, "copies")); err != nil {
			return "", err
		}
		if err := os.Rename(path, filepath.Join(root, kept)); err != nil {
			return "", err
		}
	}
	shipped, err := Shipped(root, e)
	if err != nil {
		return "", err
	}
	if len(old) > 0 && !bytes.Equal(old, shipped) && !bytes.Equal(old, text) {
		kept = copyName(e, now)
		if err := replace(filepath.Join(root, kept), old); err != nil {
			return "", err
		}
	}
	return kept, replace(path, text)
}

// copyName returns the path for a copy of a learner's file, relative to containerkit's directory.
func copyName(e Exercise, now time.Time) string {
	name := fmt.Sprintf("%s-%s-%s.go", e.Stage, e.Name, now.Format("20060102-150405.000"))
	return filepath.Join(Room, "copies", name)
}

// replace writes a file under another name first, and renames it: an interrupted program leaves the
// old file or the new one.
func replace(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".containerkit-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), giveTo(f.Name(), dir), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// makeDir creates directories like os.MkdirAll, but each gets the owner of the one above it.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
	}
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return giveTo(dir, filepath.Dir(dir))
}

// Next returns the first exercise without a solution in the progress, or false if all are solved.
func (p Progress) Next() (Exercise, bool) {
	all := All()
	i := slices.IndexFunc(all, func(e Exercise) bool { return p[e.ID()].Solved.IsZero() })
	if i < 0 {
		return Exercise{}, false
	}
	return all[i], true
}

// Hint checks an exercise and returns the next hint, see HintFor.
func Hint(ctx context.Context, root string, e Exercise, p Progress) (string, error) {
	r, err := Check(ctx, root, e)
	if err != nil {
		return "", err
	}
	p.Note(r, time.Now())
	return HintFor(r, p), nil
}

// HintFor returns the next hint: the diagnosis, if the mistake is known; the compiler's errors; or
// the next general hint. It counts the hint in the progress.
func HintFor(r Result, p Progress) string {
	e, record := r.Exercise, p[r.Exercise.ID()]
	defer func() { p[e.ID()] = record }()
	switch {
	case r.Outcome == Solved:
		return "it is solved. " + e.Shows + " shows it at work."
	case r.Outcome == Broken:
		return "it does not compile: " + r.Reason
	case r.Outcome == Failed && r.Reason != "":
		return r.Reason
	case r.Diagnosis != nil:
		record.Hints++
		return r.Diagnosis.Say
	}
	hint := e.Hints[min(record.General, len(e.Hints)-1)]
	record.Hints++
	record.General++
	return hint
}
