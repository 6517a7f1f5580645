// Package scratch creates temporary directories that a killed program does not leave behind for
// long: their owner holds a lock for as long as it lives, and the next program removes those that
// no process holds.
//
// A directory is closed to other users (0700). A program that must share something with a process
// of another user, such as root in a container, lets others pass through (AllowSearch) and creates
// a file or a directory with the mode that it needs. No other user ever writes in a directory whose
// paths we use: a link planted there would lead us elsewhere.
//
// When not to use it: in tests, testing.T.TempDir does it. What it does not do: it does not unmount
// anything; a directory with something mounted in it is left alone, and Remove says so.
package scratch
