// Package compare measures what it takes to run a program: as a process, in containers, in a virtual machine. It measures on
// this machine and now; nothing in it is a number that was known before.
//
// How: each kind starts the same small static program, which writes a byte at once. The time of that byte, seen outside,
// less the time just before the start, is the time to the first output; a clock inside would be of no use, for a virtual
// machine has its own. The kinds take turns within each round, so that a machine that gets busier hits all of them.
// For memory the program stays, and the proportional set sizes (proc_pid_smaps(5), Pss) of all processes that the start
// has left behind are added up: those below ours, and ours are also those whose parents have gone (PR_SET_CHILD_SUBREAPER).
//
// What it does not measure: the kernel's own memory for namespaces and cgroups, the network, the speed of what runs then.
package compare
