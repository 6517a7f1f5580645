// Package lo switches the loopback interface on. It is apart from package network because every container needs it and
// most need nothing else: it imports no netlink library, whose initialization would cost each start 0.4 ms.
package lo
