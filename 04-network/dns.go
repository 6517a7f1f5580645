//go:build linux

package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"containerkit/04-network/network"
	"containerkit/04-network/network/names"
	"containerkit/lessons/kit/narrate"
)

func dns(n *narrate.Narrator) error {
	ask(n, "Nobody remembers 10.88.0.2. How does a container find another one by its name?")
	w := &world{}
	defer w.end()
	br := network.Default
	db, err := w.container(br, "db")
	if err != nil {
		return noLinks(n, err)
	}
	nameless, err := w.container(br, "nameless")
	if err != nil {
		return err
	}
	web, err := w.container(br, "web")
	if err != nil {
		return err
	}
	if err := db.must("serve", ":80", "db"); err != nil {
		return err
	}
	// An /etc with empty files: this container knows nobody.
	if err := nameless.must("etc", "", ""); err != nil {
		return err
	}
	before, err := nameless.ask("lookup", "db")
	if err != nil {
		return err
	}
	n.OldBefore("a container with an empty resolv.conf and an empty hosts file looks up \"db\"", narrate.Data{"lookup": before.String()})

	n.Do(narrate.Call{
		Text:   "answer questions for names at the gateway's address",
		Go:     "names.Serve(conn, lookup)",
		OldSys: "bind(10.88.0.1:53), recvfrom, sendto",
		Man:    "resolver(3)",
		Hand:   "dnsmasq --no-daemon --listen-address=10.88.0.1 --address=/db/" + db.addr,
		At:     names.Serve,
	})
	asked, stop, err := answerNames(br, map[string]string{"db": db.addr})
	if err != nil {
		return err
	}
	defer stop()
	resolv := network.Resolv(br.Gateway().Addr())
	hosts := network.Hosts(network.Name{Name: "web", Addr: netip.MustParseAddr(web.addr)})
	n.Do(narrate.Call{
		Text: "write the two files that a program reads: who answers, and what needs no asking",
		Go:   "network.Resolv(10.88.0.1), network.Hosts(…)",
		Man:  "resolv.conf(5), hosts(5), nsswitch.conf(5)",
		Hand: "echo nameserver 10.88.0.1 > /etc/resolv.conf",
		At:   network.Resolv,
	})
	if n.Without {
		resolv, hosts = "", ""
	}
	if err := web.must("etc", resolv, hosts); err != nil {
		return err
	}
	n.OldEvidence("/etc/resolv.conf in web", quoted(web.file("/etc/resolv.conf")))
	n.OldEvidence("/etc/hosts in web", quoted(web.file("/etc/hosts")))

	found, err := web.ask("lookup", "db")
	if err != nil {
		return err
	}
	asks := asked()
	self, err := web.ask("lookup", "web")
	if err != nil {
		return err
	}
	missing, err := web.ask("lookup", "nobody")
	if err != nil {
		return err
	}
	n.OldEvidence("what the server was asked", strings.Join(asked(), " "))
	call, err := web.ask("dial", "db:80")
	if err != nil {
		return err
	}
	nameless80, err := nameless.ask("dial", "db:80")
	if err != nil {
		return err
	}
	n.OldProof("web finds db by its name", found.Text == db.addr, found, before)
	n.OldProof("and calls its server by the name", call.Text == "db sees "+web.addr, call, nameless80)
	n.OldProof("a name in /etc/hosts is found without asking anybody (the control is what was asked for db)",
		self.Text == web.addr && !slices.Contains(asked(), "web"), "asked for web: "+count(asked(), "web"), "asked for db: "+count(asks, "db"))
	n.OldProof("a name that does not exist is an answer too: no such host (the control is db)",
		missing.Error == "no such host" && found.ok(), missing, found)
	n.Note("Names are no part of the kernel. A program (its C library, or here Go's resolver) reads two files and asks a server over UDP; " +
		"so /etc/resolv.conf is the container runtime's business, and a container that inherits the host's may find a server at 127.0.0.53 that is not there.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /etc`,
		`echo 'hosts: files dns' > /etc/nsswitch.conf`,
		`echo '10.88.0.3 web' > /etc/hosts`,
		`echo 'nameserver 10.88.0.1' > /etc/resolv.conf`,
		`getent hosts web`,
		`END`)
	n.Clean("the name server is closed, bridge and cables are removed, and the files went with web's mount namespace")
	return nil
}

// answerNames runs a name server at the bridge's gateway. asked tells for which names it was asked.
func answerNames(b network.Bridge, known map[string]string) (asked func() []string, stop func(), err error) {
	conn, err := net.ListenPacket("udp4", net.JoinHostPort(b.Gateway().Addr().String(), "53"))
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	var list []string
	go names.Serve(conn, func(name string) (netip.Addr, bool) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, name)
		a, err := netip.ParseAddr(known[name])
		return a, err == nil
	})
	asked = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
	return asked, func() { _ = conn.Close() }, nil
}
