package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"containerkit/lessons/author/atlas"
)

// few is the largest number of rows that are printed in full.
const few = 6

func mapCommand() *cobra.Command {
	return &cobra.Command{
		Use: "map WORD…", Short: "show what a flag of docker does, and which step teaches it",
		Long: "Looks up a flag of docker run, a key of lxc.container.conf or a field of the OCI's\n" +
			"config.json: which kernel feature it uses, which step teaches it, and where the\n" +
			"call is. A whole name finds its row, with or without its dashes. Any other words\n" +
			"find the rows that have all of them. A whole command line of docker run is split\n" +
			"into its flags. docs/map.md has all rows.",
		Example:            "  go run ./lessons map --memory\n  go run ./lessons map docker run -it --rm --memory 64m alpine sh\n  go run ./lessons map linux.maskedPaths\n  go run ./lessons map setns",
		DisableFlagParsing: true, // the words are another program's flags
		RunE: func(c *cobra.Command, words []string) error {
			switch {
			case strings.TrimSpace(strings.Join(words, "")) == "":
				return fmt.Errorf("map: which flag, key, field or word? All are in docs/map.md")
			case words[0] == "--help" || words[0] == "-h":
				return c.Help()
			}
			root, err := kit()
			if err != nil {
				return failure{err}
			}
			if err := lookUp(c.OutOrStdout(), root, words); err != nil {
				return failure{err}
			}
			return nil
		},
	}
}

// titles names the command or file that the words of a tool belong to.
var titles = map[string]string{"docker": "docker run", "lxc": "lxc.container.conf", "oci": "config.json"}

// lookUp prints the rows that have the words, in full if they are few.
func lookUp(w io.Writer, root string, words []string) error {
	found, err := atlas.Find(root, words...)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("nothing on the map has %q; docs/map.md has all rows, and docs/docker.md has Docker's commands, compose and Kubernetes", strings.Join(words, " "))
	}
	last := ""
	for _, r := range found {
		if r.Tool != last {
			fmt.Fprintln(w, titles[r.Tool])
			last = r.Tool
		}
		if len(found) > few {
			fill(w, "  ", r.Name+": "+r.Does)
		} else if err := tellRow(w, root, r); err != nil {
			return err
		}
	}
	if len(found) > few {
		fmt.Fprintf(w, "%d rows: name one of them to see it in full\n", len(found))
	}
	return nil
}

// tellRow prints a row in full.
func tellRow(w io.Writer, root string, r atlas.Row) error {
	fmt.Fprintf(w, "  %s\n", r.Name)
	fill(w, "    does    ", r.Does)
	if r.How == atlas.None {
		fmt.Fprintln(w, "    kernel  nothing: the daemon or the tool does it")
		return nil
	}
	fill(w, "    kernel  ", r.Kernel)
	fill(w, "    read    ", r.Source)
	for _, s := range r.Steps {
		fmt.Fprintf(w, "    step    go run ./%s\n", strings.Replace(s, "/", " ", 1))
	}
	if len(r.Steps) == 0 {
		fmt.Fprintln(w, "    step    none: the course only names it")
	}
	if r.At == "" {
		return nil
	}
	file, line, err := r.Line(root)
	fmt.Fprintf(w, "    here    %s:%d\n", file, line)
	return err
}
