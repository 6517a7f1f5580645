//go:build linux

package main

import (
	"fmt"
	"net"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/child"
)

// A webServer is a process at the far end of the host's uplink. It keeps the internet's namespace.
type webServer struct{ p *child.Process }

var webServerChild = child.Register("internet", serveWeb)

// startInternet creates the namespace, connects it to ours, and starts the web server on port 80. The
// server has no route to any container, so an answer reaches only the host's own address.
func startInternet() (*webServer, error) {
	p, err := child.Command(webServerChild)
	if err != nil {
		return nil, err
	}
	namespace.Spec{New: namespace.Net}.Apply(p.Cmd) // we are root in the sandbox
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start the internet: %w", err)
	}
	s := &webServer{p}
	if err := s.connect(); err != nil {
		_ = s.close()
		return nil, err
	}
	if err := p.Receive(nil); err != nil { // it serves
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// connect creates the uplink to the server's namespace.
func (s *webServer) connect() error {
	proc, err := procfs.Open(s.p.Process.Pid)
	if err != nil {
		return err
	}
	defer proc.Close()
	return internet.Connect(proc)
}

// close ends the server, and with it the namespace and the uplink.
func (s *webServer) close() error {
	_ = s.p.Close()
	// The kernel removes a namespace some time after its last process exits. The veth pair should be
	// gone when we return.
	return network.DeleteLink(internet.Uplink)
}

func serveWeb(c *child.Conn) error {
	if err := lo.Up(); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", ":80")
	if err != nil {
		return err
	}
	go internet.Greet(l)
	if err := c.Send("ready"); err != nil {
		return err
	}
	c.Wait()
	return nil
}
