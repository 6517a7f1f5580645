package sandbox

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// The limits on the program and its children.
const (
	Processes = 512
	Memory    = 1 << 30 // bytes
	Output    = 1 << 20 // bytes
)

// Patience is how long a test may run. The slowest takes two seconds with the reference.
const Patience = 10 * time.Second

// Mark begins the line that says what ended the program: one of the words below, the first with a duration
// behind it and the last with a number.
const Mark = "containerkit-check: "

// What ends a program.
const (
	Stuck     = "stuck for "
	Flood     = "flood"
	Hungry    = "memory"
	Forks     = "processes"
	BySignal  = "signal "
	firstWord = "containerkit-check" // of our own arguments
)

// Exec is the value of -exec for go test: this program, which must call Init.
func Exec(patience time.Duration) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	quote := `"`
	if strings.Contains(self, quote) {
		quote = "'"
	}
	return fmt.Sprintf("%s %s %v", quote+self+quote, firstWord, patience), nil
}
