//go:build linux

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/stagetest"
)

// stranger is the UID of a user that is neither ours nor mapped in a container.
const stranger = 65532

// An attack names the directory for temporary files, and the files that the programs must not
// damage.
type attack struct{ Tmp, Canary, Victim string }

type attacked struct{ Seen, Planted int }

// bait lists the names that the programs use in their directories.
var bait = []string{"secret", "written", "mount", "marker", "volume"}

// attacker plants links in the programs' directories, as fast as it can, until the parent stops it.
// Then it sends what it did.
var attacker = child.Register("attacker", func(c *child.Conn) error {
	var a attack
	if err := c.Receive(&a); err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() { c.Wait(); close(stop) }()
	seen, did := map[string]bool{}, attacked{}
	decoy := filepath.Join(a.Tmp, "containerkit-scratch-decoy")
	_ = c.Send(true)
	for {
		select {
		case <-stop:
			did.Seen = len(seen)
			return c.Send(did)
		default:
		}
		dirs, _ := filepath.Glob(a.Tmp + "/containerkit-scratch-*")
		for _, dir := range dirs {
			if dir != decoy {
				seen[dir] = true
				did.Planted += plant(dir, a.Canary)
			}
		}
		// The cleanup of leftovers finds a name like ours that sometimes leads elsewhere.
		_ = os.Remove(decoy)
		_ = os.Mkdir(decoy, 0o777)
		_ = os.Remove(decoy)
		_ = os.Symlink(a.Victim, decoy)
	}
})

// plant replaces the bait with links to the canary, and returns how many links it created.
func plant(dir, canary string) (planted int) {
	if os.Rename(dir, dir+"-moved") == nil {
		planted++
		_ = os.Symlink(filepath.Dir(canary), dir)
	}
	for _, name := range bait {
		path := filepath.Join(dir, name)
		_ = os.Rename(path, path+"-moved")
		if os.Symlink(canary, path) == nil {
			planted++
		}
	}
	return planted
}

// With links in the directory for temporary files, another user can't make root's programs change
// the content or the mode of a file of root.
func TestAnotherUsersLinksAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, which owns the attacked files")
	}
	top, err := os.MkdirTemp("", "stagetest-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	require.NoError(t, os.Chmod(top, 0o755))
	a := attack{filepath.Join(top, "tmp"), filepath.Join(top, "canary"), filepath.Join(top, "victim")}
	require.NoError(t, os.Mkdir(a.Tmp, 0o777))
	require.NoError(t, os.Chmod(a.Tmp, 0o777|os.ModeSticky))
	require.NoError(t, os.Mkdir(a.Victim, 0o700))
	require.NoError(t, os.WriteFile(a.Victim+"/file", nil, 0o600))
	require.NoError(t, os.WriteFile(a.Canary, []byte("precious"), 0o600))
	t.Setenv("TMPDIR", a.Tmp)

	p, err := child.Command(attacker)
	require.NoError(t, err)
	p.Path = stagetest.AsUser(t).Command(t.Context()).Path // a copy that the stranger can run
	p.SysProcAttr.Credential = &syscall.Credential{Uid: stranger, Gid: stranger}
	require.NoError(t, p.Start())
	defer p.Close()
	require.NoError(t, p.Send(a))
	require.NoError(t, p.Receive(nil))

	damaged, rounds := 0, 2
	if os.Getenv("CONTAINERKIT_LONG") != "" {
		rounds = 10
	}
	for range rounds {
		for _, step := range []string{"harmless", "leaks"} {
			r := stagetest.Run(t, "-quiet", step)
			if !intact(t, a) {
				damaged++
				require.NoError(t, os.WriteFile(a.Canary, []byte("precious"), 0o600))
				require.NoError(t, os.Chmod(a.Canary, 0o600))
			}
			if r.Status != 0 {
				t.Errorf("%s under attack: status %d\n%s", step, r.Status, r.Stderr)
			}
		}
	}
	require.NoError(t, p.Send(true))
	var did attacked
	require.NoError(t, p.Receive(&did))
	require.NotZero(t, did.Seen, "the attacker saw no directory, so the test proves nothing")
	require.Zero(t, did.Planted, "the attacker planted links in our directories")
	require.Zero(t, damaged, "of %d runs damaged the canary", 2*rounds)
}

// intact reports whether the canary and the victim are as they were.
func intact(t *testing.T, a attack) bool {
	var st unix.Stat_t
	require.NoError(t, unix.Stat(a.Canary, &st))
	text, err := os.ReadFile(a.Canary)
	require.NoError(t, err)
	_, err = os.Stat(a.Victim + "/file")
	t.Logf("canary: mode %04o, %q", st.Mode&0o7777, text)
	return st.Mode&0o7777 == 0o600 && string(text) == "precious" && err == nil
}
