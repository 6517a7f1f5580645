// Package docs is the book: Markdown, the data that its figures are made of, and the tests that keep it true.
//
// What code and data say better than words is made, not written: go generate ./docs, or go run ./lessons lint -fix, writes
// the regions of every page again (package lint tells what a region is).
package docs

//go:generate go run ../lessons lint -fix
