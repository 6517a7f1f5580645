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
	endsProgram = "your code ends the program that calls it: return an error, and leave os.Exit to main"
	// endsProcess is what is known where a test runs the code in a child process.
	endsProcess = "your code ends the process that runs it, by os.Exit or a signal: return an error instead"
)

var (
	// died is how Go begins its last words.
	died = regexp.MustCompile(`(?m)^\s*(?:panic: |fatal error: |SIG[A-Z]+: |runtime: goroutine stack )(.+)$`)
	// noThread is what Go, or the C library below it, says where a process limit stops a new thread.
	noThread = regexp.MustCompile(`failed to create new OS thread|pthread_create failed: Resource temporarily`)
	exited   = regexp.MustCompile(`(?m)the test program ended in this test$|^exit status \d+$`)
	// frame is a line of a stack, in a learner's file.
	frame = regexp.MustCompile(`(?m)^\s+\S*/([^/\s]+/[^/\s]+/[^/\s]+_mine\.go:\d+)`)
)

// crash says in one line what ended a learner's code; nothing, if it came to its end. file is the exercise's.
// why is the sandbox's word, if it has one.
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

// ended turns the sandbox's word into a learner's.
func ended(why string) string {
	if limit, ok := strings.CutPrefix(why, sandbox.Stuck); ok {
		return "your function did not return within " + strings.Replace(limit, "s", " s", 1)
	}
	switch why {
	case sandbox.Flood:
		return fmt.Sprintf("your code printed more than %d MiB", sandbox.Output>>20)
	case sandbox.Hungry:
		return fmt.Sprintf("your code took more than %d GiB of memory", sandbox.Memory>>30)
	case sandbox.Forks:
		return fmt.Sprintf("your code started more than %d processes and threads", sandbox.Processes)
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(why, sandbox.BySignal))
	return fmt.Sprintf("signal %d (%v) ended the program that calls your code: process 0 and a negative number are groups of processes",
		n, syscall.Signal(n))
}
