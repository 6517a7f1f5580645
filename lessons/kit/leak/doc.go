// Package leak holds the one list of probes that every stage runs in its container so far: what of the host can still
// be seen from inside, or done to it?
//
// The host's side is played by markers: a process with a secret in its name, a file, a port, a shared memory segment.
// A probe leaks if it found the secret or did its deed, as told from inside by the attacker, and from outside by
// looking at the victim. What each stage promises stands beside each probe; Table compares, and a promise that does not
// hold, in either direction, is a ✗.
//
// It imports no part: the probes ask the kernel themselves, so a fault in a part cannot hide a leak.
package leak
