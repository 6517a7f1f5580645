// Package internet simulates the Internet. It connects a network namespace to the far end of the
// host's uplink, and answers web requests there. So a container in the lessons can reach a server,
// and no packet leaves the machine. The caller keeps the process that holds that namespace.
//
// Do not use it where the host has a real uplink. Its addresses are from a block that RFC 5737
// reserves for documentation, and the route to them is the only one that it creates.
package internet
