// Pictures draws the book's pictures, as SVG files into its own directory: go run ./docs/pictures, or go generate ./docs/...
//
// What the code knows is taken from the code: the kinds of namespaces, the order of the assembly, who imports whom. A
// test compares the files with what is drawn here, and holds every text to its box.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:generate go run .

// A picture is drawn from the kit whose directory it gets. Its file is NAME.svg.
type picture struct {
	name string
	draw func(kit string) (*canvas, error)
}

var pictures = []picture{
	{"container", container},
	{"stack", stack},
	{"namespaces", namespaces},
	{"cgroups", cgroups},
	{"pivot", pivot},
	{"overlay", overlay},
	{"network", network},
	{"assembly", assembly},
	{"house", house},
	{"timeline", timeline},
}

// dir is where the pictures are, in the kit.
const dir = "docs/pictures"

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "pictures: it takes no arguments; it draws all pictures into", dir)
		os.Exit(2)
	}
	if err := drawAll(); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func drawAll() error {
	kit, err := findKit()
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range pictures {
		c, err := p.draw(kit)
		if err == nil {
			if faults := c.faults(); len(faults) > 0 {
				err = errors.New(strings.Join(faults, "\n  "))
			} else {
				err = os.WriteFile(filepath.Join(kit, dir, p.name+".svg"), []byte(c.svg()), 0o644)
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s:\n  %w", p.name, err))
		}
	}
	return errors.Join(failed...)
}

// findKit is the kit's directory: this one, or one above it.
func findKit() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module containerkit\n") {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("no go.mod of the kit here or above: run this in the kit's directory")
		}
	}
}
