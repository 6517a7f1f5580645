// Package internet plays the Internet: a network namespace at the other end of the host's uplink, with one small web
// server in it. A container in the lessons has somewhere to go, and not one packet leaves the machine.
//
// It must not be used where the host has a real uplink: its addresses are from the block that RFC 5737 sets aside for
// documentation, and the route to them is the only one it makes.
package internet
