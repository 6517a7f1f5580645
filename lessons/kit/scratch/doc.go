// Package scratch makes temporary directories that a killed program does not leave behind for long: their owner holds
// a lock for as long as it lives, and whoever comes next removes those that nobody holds.
//
// When not to use it: in tests, testing.T.TempDir does it. What it does not do: it does not unmount anything; a
// directory with something mounted in it is left alone, and Remove says so.
package scratch
