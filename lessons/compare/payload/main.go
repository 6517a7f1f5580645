// The program that every kind starts: it writes a byte, and stays if it is told to.
package main

import (
	"os"
	"time"
)

func main() {
	_, _ = os.Stdout.WriteString("x")
	if len(os.Args) > 1 {
		time.Sleep(time.Minute)
	}
}
