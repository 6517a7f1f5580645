package exercise

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"containerkit/lessons/exercise/sandbox"
)

const (
	endsProgram = "your code terminates the program that calls it: " +
		"return an error, and call os.Exit only in main"
	// endsProcess is for code that a test runs in a child process: the cause is unknown there.
	endsProcess = "your code terminates the process that runs it, by os.Exit or a signal: " +
		"return an error instead"
)

var (
	// died matches the first line of a crash of the Go runtime.
	died = regexp.MustCompile(`(?m)^\s*(?:panic: |fatal error: |SIG[A-Z]+: |runtime: goroutine stack )(.+)$`)
	// noThread matches the error of Go, or of the C library below it, when a process limit prevents
	// a new thread.
	noThread = regexp.MustCompile(`failed to create new OS thread|pthread_create failed: Resource temporarily`)
	exited   = regexp.MustCompile(`(?m)the test program ended in this test$|^exit status \d+$`)
	// frame matches a line of a stack trace in a learner's file.
	frame = regexp.MustCompile(`(?m)^\s+\S*/([^/\s]+/[^/\s]+/[^/\s]+_mine\.go:\d+)`)
)

// crash returns one line that says what ended a learner's code, or "" if the code ran to its end.
// file is the exercise's file; why is the sandbox's word, or "".
func crash(file, why string, s State) string {
	if why != "" {
		return file + ": " + ended(why)
	}
	if noThread.MatchString(s.Output) {
		return file + ": " + ended(sandbox.Forks)
	}
	if m := died.FindStringSubmatch(s.Output); m != nil && !strings.Contains(m[1], "unexpected call to os.Exit") {
		if at := frame.FindStringSubmatch(s.Output); at != nil {
			file = at[1]
		}
		what, _, _ := strings.Cut(m[1], " [recovered")
		return file + ": your code panics: " + what
	}
	switch {
	case s.Got == "EOF", s.Claim == "" && strings.Contains(s.Output, ": EOF\n"):
		return file + ": " + endsProcess
	case s.Claim == "" && exited.MatchString(s.Output), strings.Contains(s.Output, "unexpected call to os.Exit"):
		return file + ": " + endsProgram
	case strings.Contains(s.Got, "resource temporarily unavailable"):
		return file + ": " + ended(sandbox.Forks)
	}
	return ""
}

// ended translates the sandbox's word for the learner.
func ended(why string) string {
	if limit, ok := strings.CutPrefix(why, sandbox.Stuck); ok {
		return "your function did not return within " + strings.Replace(limit, "s", " s", 1)
	}
	switch why {
	case sandbox.Flood:
		return fmt.Sprintf("your code printed more than %d MiB", sandbox.Output>>20)
	case sandbox.Hungry:
		return fmt.Sprintf("your code used more than %d GiB of memory", sandbox.Memory>>30)
	case sandbox.Forks:
		return fmt.Sprintf("your code started more than %d processes and threads", sandbox.Processes)
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(why, sandbox.BySignal))
	return fmt.Sprintf("signal %d (%v) terminated the program that calls your code: "+
		"for kill(2), 0 and negative numbers are groups of processes",
		n, syscall.Signal(n))
}
