//go:build linux

package namespace

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Pipes and sockets without a name belong to root inside. Files with a name on the host keep their
// owner.
func TestOwnStreamsAsRoot(t *testing.T) {
	s := Container()
	if !s.Shifted() {
		t.Skip("root inside is the user that runs the test: nothing to change")
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	socket, other := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")
	s.OwnStreams(r, socket, nil)
	for _, f := range []*os.File{r, w, socket} {
		require.Equal(t, FirstID, owner(t, f))
		require.NoError(t, f.Close())
	}
	require.Zero(t, owner(t, other))
	require.NoError(t, other.Close())

	for name, f := range filesWithNames(t) {
		s.OwnStreams(f)
		require.Zero(t, owner(t, f), name)
	}
}

// filesWithNames returns files that have a name on the host.
func filesWithNames(t *testing.T) map[string]*os.File {
	t.Helper()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	fifo, err := os.OpenFile(filepath.Join(dir, "fifo"), os.O_RDWR, 0)
	require.NoError(t, err)
	master, tty, err := pty.Open()
	require.NoError(t, err)
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	files := map[string]*os.File{"file": log, "FIFO": fifo, "terminal": tty, "its other end": master, "device": null}
	for name, address := range map[string]string{"unix": filepath.Join(dir, "socket"),
		"tcp": "127.0.0.1:0"} {
		l, err := net.Listen(name, address)
		require.NoError(t, err)
		f, err := l.(interface{ File() (*os.File, error) }).File()
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		files["socket: "+name] = f
	}
	for _, f := range files {
		t.Cleanup(func() { _ = f.Close() })
	}
	return files
}

func owner(t *testing.T, f *os.File) int {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &st))
	return int(st.Uid)
}
