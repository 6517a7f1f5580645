// Package lo brings the loopback interface up. It is separate from package network because every
// container needs it, and most need nothing else. It imports no netlink library, whose
// initialization would add 0.4 ms to each start.
package lo
