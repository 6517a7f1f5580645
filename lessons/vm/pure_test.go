package vm

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

const modulesDep = `kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko.xz: kernel/drivers/virtio/virtio.ko
kernel/fs/fuse/fuse.ko.zst:
kernel/fs/fuse/virtiofs.ko: kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko kernel/fs/fuse/fuse.ko.zst
kernel/drivers/char/hw_random/virtio-rng.ko: kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko
kernel/net/unrelated.ko:
`

func TestModulesAreLoadedAfterWhatTheyNeed(t *testing.T) {
	order := func(names ...string) ([]string, error) {
		return ModuleOrder(strings.NewReader(modulesDep), strings.NewReader("kernel/fs/overlayfs/overlay.ko\n"), names...)
	}
	got, err := order("virtiofs", "virtio_rng", "overlay")
	require.NoError(t, err)
	require.Equal(t, []string{
		"kernel/fs/fuse/fuse.ko.zst", "kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko.xz",
		"kernel/fs/fuse/virtiofs.ko", "kernel/drivers/char/hw_random/virtio-rng.ko",
	}, got, "each once, those of the first name first, and none that is built in")
	_, err = order("virtiofs", "9p")
	require.ErrorContains(t, err, "no module 9p")
	_, err = ModuleOrder(strings.NewReader("garbage\n"), strings.NewReader(""), "x")
	require.ErrorContains(t, err, "modules.dep")
}

// TestModulesOfThisMachine holds the order against the real files of every installed kernel.
func TestModulesOfThisMachine(t *testing.T) {
	deps, _ := filepath.Glob("/lib/modules/*/modules.dep")
	if len(deps) == 0 {
		t.Skip("no kernel's modules are installed here")
	}
	for _, dep := range deps {
		k := kernel{Image: dep, Modules: filepath.Dir(dep)}
		files, err := k.load(qemuModules)
		require.NoError(t, err)
		for _, f := range files[:len(files)-1] {
			require.Equal(t, "\x7fELF", string(f.Data[:4]), f.Path)
			require.NotContains(t, string(f.Data[max(0, len(f.Data)-40):]), "signature appended", f.Path)
		}
		require.Equal(t, "modules/list", files[len(files)-1].Path)
		require.Len(t, strings.Fields(string(files[len(files)-1].Data)), len(files)-1)
	}
}

func TestModulesAreDecompressedAndWithoutSignature(t *testing.T) {
	module := []byte("\x7fELF and more")
	signed := append(append([]byte{}, module...), "SIGNATURE"...)
	signed = append(signed, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 9)
	signed = append(signed, "~Module signature appended~\n"...)
	pack := map[string]func(io.Writer) io.WriteCloser{
		"a.ko.gz":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"a.ko.xz":  func(w io.Writer) io.WriteCloser { z, _ := xz.NewWriter(w); return z },
		"a.ko.zst": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	}
	for name, f := range pack {
		for _, content := range [][]byte{module, signed} {
			var b bytes.Buffer
			w := f(&b)
			_, err := w.Write(content)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			got, err := unpackModule(name, b.Bytes())
			require.NoError(t, err, name)
			require.Equal(t, module, got, name)
		}
		_, err := unpackModule(name, []byte("nonsense"))
		require.ErrorContains(t, err, name)
	}
	got, err := unpackModule("a.ko", signed)
	require.NoError(t, err)
	require.Equal(t, module, got)
	// A length that points out of the file is no signature's.
	broken := bytes.Replace(signed, []byte{0, 0, 0, 9}, []byte{0, 1, 0, 9}, 1)
	require.Equal(t, broken, unsigned(broken))
}

func TestInitramfsHoldsTheFilesAndTheirDirectories(t *testing.T) {
	archive, err := Initramfs([]File{{Path: "modules/a.ko", Mode: 0o644, Data: []byte("A")}, {Path: "init", Mode: 0o755, Data: []byte("program")}, {Path: "dev"}})
	require.NoError(t, err)
	got := map[string]string{}
	for r := cpio.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		got[h.Name] = h.FileInfo().Mode().String() + " " + string(data)
	}
	require.Equal(t, map[string]string{
		"modules": "drwxr-xr-x ", "modules/a.ko": "-rw-r--r-- A", "init": "-rwxr-xr-x program", "dev": "drwxr-xr-x ",
	}, got)
}

// fakeKernel makes an image that tells its version as a bzImage does.
func fakeKernel(t *testing.T, root, name, version string, modules bool) string {
	t.Helper()
	image := make([]byte, 0x400)
	copy(image[0x202:], "HdrS")
	image[0x20f] = 1 // the text is at 0x200 + 0x100
	copy(image[0x300:], version+" (somebody@somewhere) #1")
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, image, 0o644))
	if modules {
		dir := filepath.Join(root, "lib/modules", version)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(dir+"/modules.dep", nil, 0o644))
	}
	return path
}

func TestTheNewestUsableKernelIsTaken(t *testing.T) {
	root := t.TempDir()
	_, err := findKernel(root, "")
	var missing *Missing
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), "kernel")

	fakeKernel(t, root, "boot/vmlinuz-linux", "6.9.2-arch1-1", true) // Arch's name tells no version
	newer := fakeKernel(t, root, "boot/vmlinuz-6.10.1-cloud", "6.10.1-cloud", true)
	fakeKernel(t, root, "boot/vmlinuz-7.0.0", "7.0.0", false) // its modules are gone
	k, err := findKernel(root, "")
	require.NoError(t, err)
	require.Equal(t, kernel{newer, "6.10.1-cloud", filepath.Join(root, "lib/modules/6.10.1-cloud")}, k)

	_, err = findKernel(root, root+"/boot/vmlinuz-7.0.0")
	require.ErrorContains(t, err, "lib/modules/7.0.0", "asked for by name, it is told what it lacks")
}

func TestAKernelThatOnlyRootMayReadIsSaid(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	root := t.TempDir()
	image := fakeKernel(t, root, "boot/vmlinuz-6.8.0-ubuntu", "6.8.0-ubuntu", true)
	require.NoError(t, os.Chmod(image, 0))
	_, err := findKernel(root, "")
	require.ErrorContains(t, err, "sudo chmod a+r "+image)
}

func TestVersionsAreOrderedByNumber(t *testing.T) {
	for _, c := range []struct{ less, more string }{
		{"6.9.12", "6.10.1"}, {"6.1.0-9-amd64", "6.1.0-10-amd64"}, {"6.1", "6.1.1"}, {"5.19.17", "6.0.0-rc1"},
	} {
		require.Negative(t, compareVersions(c.less, c.more), c)
		require.Positive(t, compareVersions(c.more, c.less), c)
		require.Zero(t, compareVersions(c.more, c.more), c)
	}
}

func TestMissingPiecesNameTheCommandOfThisSystem(t *testing.T) {
	for _, c := range []struct{ release, family string }{
		{"ID=debian\n", "debian"}, {"ID=pop\nID_LIKE=\"ubuntu debian\"\n", "debian"}, {"ID=fedora\n", "fedora"},
		{"ID=rocky\nID_LIKE=\"rhel centos fedora\"\n", "fedora"}, {"ID=alpine\n", "alpine"}, {"ID=arch\n", "arch"}, {"ID=plan9\n", ""}, {"", ""},
	} {
		require.Equal(t, c.family, family(strings.NewReader(c.release)), c.release)
	}
	for _, m := range allMissing {
		require.Equal(t, m.Install["debian"], command(m.Install, "debian"))
		all := command(m.Install, "plan9")
		for _, f := range families {
			if c := m.Install[f.key]; c != "" {
				require.Contains(t, all, f.name+": "+c)
			}
		}
		require.NotContains(t, m.Error(), "\n", "it is one line")
		require.Contains(t, m.Error(), m.Piece+" is missing")
	}
}

func TestOtherSystemsAreShownTheWay(t *testing.T) {
	require.ErrorContains(t, elsewhere("darwin"), "limactl start")
	require.ErrorContains(t, elsewhere("windows"), "wsl --install")
	require.ErrorContains(t, elsewhere("plan9"), "plan9")
	for _, goos := range []string{"darwin", "windows"} {
		// What it names is there.
		for _, word := range strings.Fields(elsewhere(goos).Error()) {
			if strings.HasPrefix(word, "docs/") {
				require.FileExists(t, "../../"+word)
			}
		}
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	good := Config{Engine: "auto", Memory: 1024, CPUs: 1, Share: "ro", User: "root"}
	require.NoError(t, good.Check())
	for says, change := range map[string]func(c *Config){
		`no engine "xen"`: func(c *Config) { c.Engine = "xen" },
		"-memory 64":      func(c *Config) { c.Memory = 64 },
		"-cpus 0":         func(c *Config) { c.CPUs = 0 },
		`-share "all"`:    func(c *Config) { c.Share = "all" },
		`-user "guest"`:   func(c *Config) { c.User = "guest" },
		"-keep":           func(c *Config) { c.Keep = []string{"/no/such"} },
	} {
		c := Config{Engine: "auto", Memory: 1024, CPUs: 1, Share: "ro", User: "root"}
		change(&c)
		require.ErrorContains(t, c.Check(), says)
	}
}
