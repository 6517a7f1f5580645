package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"containerkit/lessons/compare"
	"containerkit/lessons/vm"
)

func compareCommand() *cobra.Command {
	var asJSON bool
	var rounds, machines int
	c := &cobra.Command{
		Use: "compare", Short: "measure a process, containers and a virtual machine here", Args: cobra.NoArgs,
		Long: "Starts the same small program as a process, in our container, with every runtime that\n" +
			"is installed, and in the virtual machine, in turns. Prints the time to the first\n" +
			"output, the memory that its processes use, and the size of its files on disk.",
		RunE: func(c *cobra.Command, _ []string) error {
			if rounds < 1 || machines < 0 {
				return fmt.Errorf("-n %d -vm %d: at least one round, and no negative number of rounds with VMs", rounds, machines)
			}
			root, err := kit()
			if err != nil {
				return failure{err}
			}
			self, err := os.Executable()
			if err != nil {
				return failure{err}
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			rows, err := compare.Run(ctx, compare.Config{Root: root, Rounds: rounds, VMs: machines, Lessons: []string{self},
				Tell: func(line string) { fmt.Fprintln(c.ErrOrStderr(), cutTo(line, 200)) }})
			if err != nil {
				return failure{err}
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				machine, err := compare.Here()
				if err != nil {
					return failure{err}
				}
				machine.NoKVM, _, _ = strings.Cut(vm.NoKVM(), ";") // without its advice
				return enc.Encode(compare.Report{Date: time.Now().Format(time.DateOnly), Machine: machine, Rounds: rounds, VMs: machines, Rows: rows})
			}
			width := 80
			if w, _, err := term.GetSize(1); err == nil && w >= 40 {
				width = min(w, 120)
			}
			compare.Write(c.OutOrStdout(), rows, width)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object: machine, date, rounds, rows")
	c.Flags().IntVarP(&rounds, "rounds", "n", 20, "number of rounds")
	c.Flags().IntVar(&machines, "vm", 3, "rounds that include virtual machines; 0 skips them")
	return c
}
