// Package names is a name server for the containers of a bridge. It knows their names and asks no
// other server. It is separate from package network, so that a program without a name server does
// not link the DNS protocol.
package names
