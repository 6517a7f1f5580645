package sandbox

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// The limits for the program and its children.
const (
	Processes = 512
	Memory    = 1 << 30 // bytes
	Output    = 1 << 20 // bytes
)

// Patience limits how long a test can run. The slowest takes two seconds with the reference.
const Patience = 10 * time.Second

// Mark begins the line that says what terminated the program: one of the words below. A duration
// follows Stuck, and a number follows BySignal.
const Mark = "containerkit-check: "

// The words for what terminates a program.
const (
	Stuck     = "stuck for "
	Flood     = "flood"
	Hungry    = "memory"
	Forks     = "processes"
	BySignal  = "signal "
	firstWord = "containerkit-check" // the first of our own arguments
)

// Exec returns the value of -exec for go test: this program, which must call Init.
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
