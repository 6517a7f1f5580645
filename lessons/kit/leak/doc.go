// Package leak has the list of probes that every stage runs in its container: what can a process
// inside still see of the host, or do to it?
//
// Markers stand in for the host: a process with a secret in its name, a file, a port, a shared
// memory segment. A probe leaks if it finds the secret or has its effect: the attacker inside
// reports it, and the state of the victim outside confirms it. For each probe, every stage promises
// a result. Table compares: a broken promise, in either direction, is a ✗.
//
// The package imports no package of a stage. The probes make their own system calls, so a bug in a
// stage can't hide a leak.
package leak
