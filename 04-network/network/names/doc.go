// Package names is a name server for a bridge's containers: it knows their names and nothing else, and asks nobody. It is
// no part of package network, so that a program that serves no names does not link the DNS protocol.
package names
