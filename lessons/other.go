//go:build !linux

package main

import "github.com/spf13/cobra"

func initChildren() {}

// sweep has nothing to do: nothing of the kit runs on this system.
func sweep() ([]string, error) { return nil, nil }

// watchCommand refuses, as all commands about exercises do here.
func watchCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{Use: "watch", Short: "the exercises one by one, checked whenever you save"}, nil)
}
