//go:build linux

package main

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"containerkit/04-network/network"
	"containerkit/04-network/network/names"
	"containerkit/lessons/kit/narrate"
)

func dns(n *narrate.Narrator) error {
	ask(n, "How does a container find another container by name?",
		"The kernel knows no names. A program's resolver reads /etc/hosts, and asks the DNS "+
			"server that /etc/resolv.conf names for everything else.")
	w := &world{}
	defer w.end()
	br := network.Default
	db, nameless, web, err := threeContainers(w, br)
	if err != nil {
		return noLinks(n, err)
	}
	before, err := lookups(nameless)
	if err != nil {
		return err
	}
	n.Control("In a container whose two files are empty", show("lookup of db", before.db))

	n.Do(narrate.Call{
		Text: "Run a DNS server at the bridge's address",
		Sys:  [][2]string{{"bind(10.88.0.1:53)", "UDP"}, {"recvfrom(…), sendto(…)", "query, answer"}},
		Go:   "names.Serve(conn, lookup)", Man: "resolver(3)",
		Hand: "dnsmasq --no-daemon --listen-address=10.88.0.1 --address=/db/" + db.addr,
		At:   names.Serve,
	})
	asked, stop, err := answerNames(br, map[string]string{"db": db.addr})
	if err != nil {
		return err
	}
	defer stop()
	if err := writeFiles(n, br, web); err != nil {
		return err
	}
	empty, err := lookups(nameless) // again: now the server runs, and only the files differ
	if err != nil {
		return err
	}
	after, err := lookups(web)
	if err != nil {
		return err
	}
	resolved(n, empty, after, asked(), db.addr, web.addr)
	n.Why("docker run --dns and --add-host change these two files. A copy of the host's " +
		"resolv.conf that names 127.0.0.53 breaks every lookup.")
	n.WithDocker("docker run --dns 10.88.0.1 --add-host web:10.88.0.3 …", dnsByHand)
	n.Clean("the DNS server, the bridge and the veth pairs are gone, and web's files with them")
	return nil
}

const dnsByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /etc
echo 'hosts: files dns' > /etc/nsswitch.conf
echo '10.88.0.3 web' > /etc/hosts
echo 'nameserver 10.88.0.1' > /etc/resolv.conf
getent hosts web
END`

// writeFiles writes web's two files.
func writeFiles(n *narrate.Narrator, br network.Bridge, web *machine) error {
	resolv := network.Resolv(br.Gateway().Addr())
	hosts := network.Hosts(network.Name{Name: "web", Addr: netip.MustParseAddr(web.addr)})
	n.Do(narrate.Call{
		Text: "Write the two files in the container web",
		Sys: [][2]string{
			{`write("/etc/resolv.conf", "nameserver …")`, "the DNS server's address"},
			{`write("/etc/hosts", "…")`, "names that need no query"}},
		Go:   "network.Resolv(10.88.0.1), network.Hosts(…)",
		Man:  "resolv.conf(5), hosts(5), nsswitch.conf(5)",
		Hand: "echo nameserver 10.88.0.1 > /etc/resolv.conf",
		At:   network.Resolv, Without: "Leave the two files empty in the container web",
	})
	if n.Without {
		resolv, hosts = "", ""
	}
	if err := web.must("etc", resolv, hosts); err != nil {
		return err
	}
	n.Detail(narrate.Show("/etc/resolv.conf", orNone(web.file("/etc/resolv.conf"))),
		narrate.Show("/etc/hosts", orNone(web.file("/etc/hosts"))))
	return nil
}

// threeContainers returns containers on the bridge: db has a server, nameless two empty files.
func threeContainers(w *world, br network.Bridge) (db, nameless, web *machine, err error) {
	if db, err = w.container(br, "db"); err != nil {
		return nil, nil, nil, err
	}
	if nameless, err = w.container(br, "nameless"); err != nil {
		return nil, nil, nil, err
	}
	if web, err = w.container(br, "web"); err != nil {
		return nil, nil, nil, err
	}
	if err := db.must("serve", ":80", "db"); err != nil {
		return nil, nil, nil, err
	}
	return db, nameless, web, nameless.must("etc", "", "")
}

// An outcome is what a container's resolver finds.
type outcome struct{ db, web, missing, tcp report }

// lookups looks up three names from a container, and connects to db by its name.
func lookups(m *machine) (o outcome, err error) {
	for _, l := range []struct {
		do, name string
		to       *report
	}{{"lookup", "db", &o.db}, {"lookup", "web", &o.web}, {"lookup", "missing", &o.missing},
		{"dial", "db:80", &o.tcp}} {
		if *l.to, err = m.ask(l.do, l.name); err != nil {
			return o, err
		}
	}
	return o, nil
}

// resolved compares what web finds with what a container with empty files finds. asked is what the
// DNS server was asked for.
func resolved(n *narrate.Narrator, empty, after outcome, asked []string, db, web string) {
	n.Proof("web resolves the name db", after.db.Text == db,
		compare("lookup of db", after.db, "empty files", empty.db))
	n.Proof("web connects to the server of db by name", after.tcp.Text == "db sees "+web,
		compare("TCP to db:80", after.tcp, "empty files", empty.tcp))
	queries := map[string]int{}
	for _, name := range asked {
		queries[name]++
	}
	n.Proof("A name in /etc/hosts needs no DNS query", after.web.Text == web && queries["web"] == 0,
		compare("lookup of web", after.web, "empty files", empty.web),
		narrate.Compare("DNS queries for web", queries["web"], "for db", queries["db"]))
	n.Proof("The DNS server answers that an unknown name doesn't exist",
		after.missing.Error == noSuchHost && after.db.ok(),
		compare("lookup of missing", after.missing, "empty files", empty.missing))
	n.Detail(narrate.Show("names queried", join(slices.Sorted(maps.Keys(queries)), ", ")))
}

// answerNames runs a DNS server at the bridge's address. asked returns the names it was asked for.
func answerNames(b network.Bridge, known map[string]string) (
	asked func() []string, stop func(), err error) {
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
