// Package internet plays the Internet: it connects a network namespace to the far end of the host's
// uplink, and answers web requests there. A container in the lessons has somewhere to go, and not
// one packet leaves the machine. The process that keeps that namespace is the caller's.
//
// It must not be used where the host has a real uplink: its addresses are from the block that RFC 5737 sets aside for
// documentation, and the route to them is the only one it makes.
package internet
