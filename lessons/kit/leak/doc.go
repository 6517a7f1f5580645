// Package leak has the list of probes that every stage runs in its container: what can a process
// inside still see of the host, or do to it?
//
// Markers stand in for the host: a process with a secret in its name, a file, a port, a shared memory
// segment. A probe leaks if it found the secret or had its effect, as the attacker inside reports and
// as a look at the victim outside confirms. Each probe has the promise of every stage. Table compares:
// a broken promise, in either direction, is a ✗.
//
// The package imports no part: the probes ask the kernel themselves, so a bug in a part can't hide a
// leak.
package leak
