// Package scratch creates temporary directories that do not stay for long if the program is killed:
// the owner of a directory holds its lock while it runs, and the next program removes each
// directory without a lock.
//
// Other users cannot enter a directory (mode 0700). A program that must share something with a
// process of another user, such as root in a container, lets others pass through (AllowSearch) and
// creates a file or a directory with the mode that it needs. No other user can write to a directory
// whose paths we use, because a link in it would lead us elsewhere.
//
// When not to use it: in tests, use testing.T.TempDir. It never unmounts anything: Remove fails for
// a directory in which something is mounted, and keeps the mount.
package scratch
