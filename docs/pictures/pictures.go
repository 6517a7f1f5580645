package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func container(kit string) (*canvas, error) {
	all, err := kinds(kit)
	if err != nil {
		return nil, err
	}
	c := newCanvas(960, 540, "A container is a process with a view of its own, a budget, and walls")
	c.box(24, 56, 912, 464, "plain")
	c.text(44, 82, "*what it sees: namespaces")
	c.text(592, 82, "*what it may use: a cgroup")
	for i, k := range all {
		y := 94 + i*50
		c.box(44, y, 324, 40, "violet")
		c.text(56, y+25, "`"+k.name)
		c.text(118, y+25, "~"+k.divides)
	}
	right := func(y int, color, name, text string) {
		c.box(592, y, 324, 40, color)
		c.text(604, y+25, "`"+name)
		c.text(708, y+25, "~"+text)
	}
	for i, b := range [][2]string{{"pids.max", "how many processes"}, {"memory.max", "how much memory"}, {"cpu.max", "how much CPU time"},
		{"cpuset.cpus", "which of the CPUs"}, {"io.max", "how fast from the disk"}} {
		right(94+i*50, "amber", b[0], b[1])
	}
	c.text(592, 362, "*what it may do: walls")
	right(374, "red", "CapBnd", "no more than these powers")
	right(424, "red", "NoNewPrivs", "and none to be gained")
	c.box(408, 200, 144, 160, "blue", "*a process", "of this kernel,", "like all others", "~PID 4711 here,", "~PID 1 inside")
	c.arrow("violet", 408, 280, 370, 280)
	c.arrow("amber", 552, 230, 590, 230)
	c.arrow("red", 552, 330, 572, 330, 572, 420, 590, 420)
	c.centre(480, 508, "~the host: one kernel, which holds no object called container")
	return c, nil
}

func stack(string) (*canvas, error) {
	c := newCanvas(960, 522, "Three ways to run the same program")
	column := func(x int, name, note string, floors ...[2]string) {
		c.centre(x+132, 76, "*"+name)
		c.centre(x+132, 96, "~"+note)
		for i, f := range floors {
			c.box(x, 356-i*48, 264, 42, f[0], f[1])
		}
	}
	program := [2]string{"green", "*the program"}
	column(40, "process", "sees what its user may see", program)
	column(348, "container", "sees its part, by the same kernel",
		[2]string{"violet", "namespaces, cgroup, walls"}, [2]string{"amber", "files of its own"}, program)
	column(656, "virtual machine", "has a kernel of its own",
		[2]string{"plain", "the VMM: a process like QEMU"}, [2]string{"plain", "virtual hardware"}, [2]string{"blue", "*a second kernel"},
		[2]string{"amber", "files, init, services"}, program)
	c.box(24, 404, 912, 46, "blue", "*the host's kernel")
	c.box(24, 456, 912, 46, "plain", "hardware")
	c.text(40, 330, "~no walls but those between users")
	c.text(348, 234, "~no other kernel has to start;")
	c.text(348, 252, "~a hole in the kernel is open to it")
	return c, nil
}

func namespaces(kit string) (*canvas, error) {
	all, err := kinds(kit)
	if err != nil {
		return nil, err
	}
	see := map[string][2]string{ // an example: what a process sees on the host, and in its own namespace
		"pid":    {"4711 of 312 processes", "1 of 2 processes"},
		"uts":    {"laptop", "container"},
		"mnt":    {"/ /home /boot /dev /proc", "/ /dev /proc, all its own"},
		"ipc":    {"shared memory of everyone", "its own, empty at first"},
		"user":   {"uid 1000", "uid 0, root in here only"},
		"net":    {"lo eth0 wlan0, port 22", "lo, switched off"},
		"time":   {"up 12 days", "up 0 seconds"},
		"cgroup": {"/containerkit/web-4f1a", "/"},
	}
	c := newCanvas(960, 90+len(all)*52+16, "The eight namespaces, and what each hides")
	c.text(186, 74, "*divides")
	c.text(452, 74, "*seen from the host")
	c.text(704, 74, "*seen from inside")
	for i, k := range all {
		if _, ok := see[k.name]; !ok {
			return nil, fmt.Errorf("no example of what the %s namespace hides", k.name)
		}
		y := 88 + i*52
		c.box(24, y, 144, 44, "violet", "*"+k.name, "`"+k.flag)
		c.text(186, y+27, "~"+k.divides)
		c.box(440, y, 232, 44, "plain", "`"+see[k.name][0])
		c.box(692, y, 244, 44, "blue", "`"+see[k.name][1])
	}
	return c, nil
}

func cgroups(string) (*canvas, error) {
	c := newCanvas(960, 500, "The cgroup tree: a directory for each group, a file for each limit")
	c.box(380, 62, 200, 60, "plain", "`/sys/fs/cgroup", "~the root: no limits")
	c.text(612, 84, "`cgroup.subtree_control")
	c.text(612, 104, "~hands controllers to the groups below")
	c.text(24, 84, "~a limit holds for the group and all below it;")
	c.text(24, 104, "~a child is born in its parent's group")
	for i, g := range [][]string{
		{"plain", "`system.slice", "~services"},
		{"plain", "`user.slice", "~logins"},
		{"amber", "`containerkit/web-4f1a", "`pids.max 128", "`memory.max 268435456", "`cpu.max 50000 100000"},
		{"amber", "`containerkit/db-9c02", "`pids.max 64", "`memory.max 134217728", "`cpu.max max 100000"},
	} {
		x := 24 + i*236
		c.line("plain", 480, 122, 480, 150, x+102, 150, x+102, 178)
		c.box(x, 178, 204, map[bool]int{true: 60, false: 100}[i < 2], g[0], g[1:]...)
	}
	c.line("plain", 126, 238, 126, 318)
	c.box(24, 318, 204, 60, "plain", "`ssh.service", "`cgroup.procs 801")
	c.line("plain", 362, 238, 362, 318)
	c.box(260, 318, 204, 60, "green", "`user@1000.service", "~delegated: a user's own")
	c.line("plain", 598, 278, 598, 318)
	c.box(496, 318, 204, 60, "blue", "`leaf/cgroup.procs", "`4711 4712 4713")
	c.line("plain", 834, 278, 834, 318)
	c.box(732, 318, 204, 60, "blue", "`leaf/cgroup.procs", "`4720")
	c.box(24, 402, 912, 76, "plain")
	c.text(44, 426, "~v2, shown here, is one tree. v1 has one for each controller.")
	c.text(44, 446, "~To move a process is to write its number into cgroup.procs; what it used before stays where it was.")
	c.text(44, 466, "~A cgroup with processes can't enable memory or io for its children: EBUSY.")
	return c, nil
}

func pivot(string) (*canvas, error) {
	c := newCanvas(960, 598, "From the host's files to its own: propagation, then pivot_root")
	c.text(292, 74, "*mounts of the host")
	c.text(592, 74, "*mounts of the container")
	chips := func(x, y int, list ...[2]string) {
		for _, m := range list {
			st, text := styled("`" + m[1])
			w := max(36, int(width(st, text))+18)
			c.box(x, y, w, 34, m[0], "`"+m[1])
			x += w + 6
		}
	}
	host := [][2]string{{"plain", "/"}, {"plain", "/home"}, {"plain", "/proc"}}
	old := [][2]string{{"red", "/ (old)"}, {"red", "/home"}, {"red", "/proc"}}
	new := [][2]string{{"green", "/new"}, {"green", "/new/proc"}}
	done := [][2]string{{"green", "/"}, {"green", "/proc"}}
	for i, s := range []struct {
		call  string
		says  [2]string
		inner [][2]string
		note  string
	}{
		{"unshare(CLONE_NEWNS)", [2]string{"a copy of all mounts. Shared ones", "stay linked: a mount here shows there"}, host, "linked"},
		{"mount(MS_REC|MS_PRIVATE)", [2]string{"before the first mount: from now", "on nothing travels to the host"}, host, ""},
		{"mount(…, \"/new\", …)", [2]string{"the new root is a mount of its own,", "with all that belongs into it"}, slices.Concat(host, new), ""},
		{"pivot_root(\".\", \".\")", [2]string{"the new root is the root; the old one", "lies on top of it, at the same place"}, slices.Concat(done, old), ""},
		{"umount2(\".\", MNT_DETACH)", [2]string{"the old one goes, with all below it:", "there is no path back"}, done, ""},
	} {
		y := 86 + i*100
		c.box(24, y, 912, 90, "plain")
		c.text(40, y+28, fmt.Sprintf("*%d", i+1))
		c.text(60, y+28, "`"+s.call)
		c.text(40, y+54, "~"+s.says[0])
		c.text(40, y+72, "~"+s.says[1])
		chips(320, y+28, host...)
		chips(592, y+28, s.inner...)
		if s.note != "" {
			c.arrow("red", 510, y+45, 586, y+45)
			c.arrow("red", 550, y+45, 506, y+45)
			c.centre(546, y+32, "~"+s.note)
		}
	}
	return c, nil
}

func overlay(string) (*canvas, error) {
	c := newCanvas(960, 470, "overlayfs: layers of directories, seen as one")
	rows := map[string]int{}
	for i, r := range [][3]string{
		{"merged", "what is seen", "plain"}, {"upper", "every write", "plain"}, {"lower: newer", "shared, unchanged", "plain"}, {"lower: base", "shared, unchanged", "plain"},
	} {
		y := 94 + i*92
		rows[r[0]] = y
		c.box(24, y, 912, 66, r[2])
		c.text(40, y+30, "*"+r[0])
		c.text(40, y+50, "~"+r[1])
	}
	at := func(col int) int { return 196 + col*147 }
	cell := func(col int, row, color string, lines ...string) {
		c.box(at(col), rows[row]+10, 136, 46, color, lines...)
	}
	up := func(col int, from, to, color string) {
		c.arrow(color, at(col)+68, rows[from]+10, at(col)+68, rows[to]+58)
	}
	for i, h := range []string{"read", "newer wins", "changed", "made", "deleted"} {
		c.centre(at(i)+68, 82, "*"+h)
	}
	cell(0, "merged", "blue", "`sh")
	cell(0, "lower: base", "blue", "`sh")
	up(0, "lower: base", "merged", "blue")

	cell(1, "merged", "blue", "`conf", "~the newer one")
	cell(1, "lower: newer", "blue", "`conf", "~of version 2")
	cell(1, "lower: base", "gone", "`conf", "~of version 1")
	up(1, "lower: newer", "merged", "blue")

	cell(2, "merged", "amber", "`log", "~as changed")
	cell(2, "upper", "amber", "`log", "~the whole file")
	cell(2, "lower: base", "gone", "`log", "~as it was")
	up(2, "lower: base", "upper", "amber")
	c.text(at(2)+78, rows["lower: newer"]+38, "~copied up")
	up(2, "upper", "merged", "amber")

	cell(3, "merged", "green", "`new")
	cell(3, "upper", "green", "`new")
	up(3, "upper", "merged", "green")

	cell(4, "merged", "gone", "~nothing")
	cell(4, "upper", "red", "`old: device 0,0", "~a whiteout")
	cell(4, "lower: base", "gone", "`old", "~still there")
	up(4, "upper", "merged", "red")
	return c, nil
}

func network(string) (*canvas, error) {
	c := newCanvas(960, 506, "The network of stage 04, and the way of its packets")
	c.box(286, 60, 444, 366, "plain")
	c.text(302, 84, "*host")
	c.box(24, 108, 212, 80, "green", "*container web", "`eth0 10.88.0.2", "~a server on port 80")
	c.box(24, 290, 212, 80, "green", "*container db", "`eth0 10.88.0.3")
	c.box(302, 130, 88, 36, "plain", "`ck-web")
	c.box(302, 312, 88, 36, "plain", "`ck-db")
	c.box(434, 204, 140, 64, "blue", "`containerkit0", "~bridge 10.88.0.1")
	c.box(434, 100, 280, 56, "amber", "`postrouting: masquerade", "~from 10.88.0.2 → from the uplink's")
	c.box(434, 332, 280, 56, "violet", "`prerouting: dnat", "~to port 8080 → to 10.88.0.2:80")
	c.box(604, 204, 112, 64, "plain", "`ck-uplink", "~203.0.113.1")
	c.box(766, 190, 170, 92, "plain", "*the internet", "`203.0.113.80")
	// Out.
	c.arrow("amber", 236, 141, 302, 141)
	c.arrow("amber", 390, 141, 420, 141, 420, 220, 434, 220)
	c.arrow("amber", 500, 204, 500, 156)
	c.arrow("amber", 660, 156, 660, 204)
	c.arrow("amber", 716, 222, 766, 222)
	// In.
	c.arrow("violet", 766, 252, 716, 252)
	c.arrow("violet", 660, 268, 660, 332)
	c.arrow("violet", 500, 332, 500, 268)
	c.arrow("violet", 434, 240, 406, 240, 406, 156, 390, 156)
	c.arrow("violet", 302, 156, 236, 156)
	// The neighbor.
	c.line("green", 236, 330, 302, 330)
	c.line("green", 390, 330, 414, 330, 414, 256, 434, 256)
	c.centre(262, 128, "~veth")
	c.centre(262, 318, "~veth")
	c.arrow("amber", 24, 450, 64, 450)
	c.text(76, 455, "~out: over the cable to the bridge, routed, given the host's address on its way out; answers find back")
	c.arrow("violet", 24, 478, 64, 478)
	c.text(76, 483, "~in: the host's port 8080 is rewritten before routing. db and web talk over the bridge, unfiltered")
	return c, nil
}

func assembly(kit string) (*canvas, error) {
	all, err := parts(kit)
	if err != nil {
		return nil, err
	}
	c := newCanvas(960, 168+len(all)*46, "The order of the assembly, and why")
	c.box(24, 58, 170, 40, "plain", "*clone")
	c.text(214, 83, "~born in its cgroup and its namespaces; what follows happens inside")
	color := "blue" // the host's files are still in sight
	for i, p := range all {
		y := 112 + i*46
		c.arrow("plain", 109, y-14, 109, y-2)
		switch p.name {
		case "Pivoted":
			color = "green"
		case "Walled":
			color = "red"
		}
		c.box(24, y, 170, 32, color, strconv.Itoa(i+1)+"  "+p.name)
		c.text(214, y+21, "~"+p.why)
	}
	y := 112 + len(all)*46
	c.arrow("plain", 109, y-14, 109, y-2)
	c.box(24, y, 170, 36, "plain", "*exec")
	c.text(214, y+23, "~Ready: PID 1 starts the command, and reaps orphans")
	return c, nil
}

func house(kit string) (*canvas, error) {
	all, err := packages(kit)
	if err != nil {
		return nil, err
	}
	const cell, left, top = 28, 300, 84
	c := newCanvas(max(960, left+len(all)*cell+30), top+len(all)*cell+56, "The stages and what they are made of: a row imports the marked columns")
	c.text(24, 60, "~Blue: parts. Green: programs. All marks are left of the diagonal, so nothing depends on what comes after it.")
	row := map[string]int{}
	for i, p := range all {
		row[p.dir] = i
	}
	for i, p := range all {
		y := top + i*cell
		color := "plain"
		switch {
		case strings.HasPrefix(p.dir, "0") && strings.Contains(p.dir, "/"):
			color = "blue"
		case strings.HasPrefix(p.dir, "0"):
			color = "green"
		}
		c.text(24, y+18, "`"+fmt.Sprintf("%2d %s", i+1, p.dir))
		for j := range all[:i+1] {
			class := "grid"
			if j == i {
				class = color
			} else if slices.Contains(p.imports, all[j].dir) {
				class = "mark"
			}
			fmt.Fprintf(&c.body, "<rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", class, left+j*cell, y, cell-2, cell-2)
		}
		if i < len(all)-1 {
			c.centre(left+i*cell+13, y-6, "~"+strconv.Itoa(i+1))
		}
		for _, to := range p.imports {
			if row[to] > i {
				return nil, fmt.Errorf("%s imports %s, which imports it", p.dir, to)
			}
		}
	}
	return c, nil
}
