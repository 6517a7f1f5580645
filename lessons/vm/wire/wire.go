// Package wire is the conversation between the host's program and the guest's /init: frames on one stream of bytes,
// which may be a virtio port or a serial line. Host and guest are always built from the same source.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// A Kind of frame.
type Kind byte

// From the host to the guest.
const (
	KindPart   Kind = 'Q' // the beginning of a Start that is too long for the stream; the next follows after KindTaken
	KindStart  Kind = 'S' // a Start: set up and run; but for parts of it, the first frame
	KindInput  Kind = 'I' // bytes for the command's standard input; none is its end. The next follows after KindTaken.
	KindSize   Kind = 'W' // a Size: the terminal's window has changed
	KindSignal Kind = 'K' // one byte: a signal for the command
)

// From the guest to the host.
const (
	KindHello Kind = 'H' // the guest has found the stream; the host answers with KindStart
	KindPhase Kind = 'P' // the name of what the guest has just done
	KindRuns  Kind = 'R' // the command runs
	KindOut   Kind = 'O' // bytes of the command's standard output, or of its terminal
	KindErr   Kind = 'E' // bytes of its standard error
	KindTaken Kind = 'T' // the guest has read the last part, or the command has taken the last input
	KindExit  Kind = 'X' // an Exit: the last frame
)

// Start is all that the guest must know.
type Start struct {
	Hostname string
	Checkout string   // of the kit
	Root     Mount    // the host's root; the guest lays an overlay over it
	NoSUID   bool     // the host's set-user-ID programs are not for use: their owners are not to be seen
	Shares   []Share  // trees of the host that are mounted writable
	Keep     []string // directories below /tmp, /run or /var/tmp that stay visible, although these are new and empty
	Modules  string   // where the host keeps the kernel's modules, if not in /lib/modules
	Files    uint64   // so many of the host's files may be known at a time, 0: any number
	Disk     string   // a block device with an ext4 on it, "" if there is none; mounted at /var/tmp

	Open    []string // directories that the ordinary user must be able to reach
	Shell   string   // of the ordinary user
	GoCache string   // of the host: Go's build cache

	Argv []string
	Env  []string
	Dir  string
	User string // root or learner
	TTY  bool   // the command gets a terminal; else three pipes
	Size Size
	Time bool // tell the phases
}

// A Mount is something to mount: mount(2).
type Mount struct{ Type, Source, Options string }

// A Share is mounted at the same path as on the host.
type Share struct {
	Mount
	Path string
}

// Size is a terminal's window, in characters.
type Size struct{ Rows, Cols uint16 }

// Exit is how the command ended: its exit status (128 + the signal's number if one ended it), or why it was not run.
type Exit struct {
	Status int
	Error  string
}

// ReadStart reads the first frames, which say what to do.
func ReadStart(r io.Reader, w *Writer) (*Start, error) {
	var text []byte
	for {
		k, data, err := Read(r)
		if err != nil {
			return nil, err
		}
		text = append(text, data...)
		switch k {
		case KindPart:
			if err := w.Write(KindTaken, nil); err != nil {
				return nil, err
			}
		case KindStart:
			s := new(Start)
			if err := json.Unmarshal(text, s); err != nil {
				return nil, fmt.Errorf("read what to start: %w", err)
			}
			return s, nil
		default:
			return nil, fmt.Errorf("the first frame is %q, and not %q", k, KindStart)
		}
	}
}

// Max is the most bytes that one frame carries.
const Max = 1 << 20

// A Writer writes frames; it may be used by several goroutines.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends a frame.
func (w *Writer) Write(k Kind, data []byte) error {
	if len(data) > Max {
		return fmt.Errorf("write a frame %q: %d bytes are more than %d", k, len(data), Max)
	}
	frame := make([]byte, 5, 5+len(data))
	frame[0] = byte(k)
	binary.LittleEndian.PutUint32(frame[1:], uint32(len(data)))
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.w.Write(append(frame, data...))
	return err
}

// WriteJSON sends a frame that holds v.
func (w *Writer) WriteJSON(k Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Write(k, data)
}

// Read reads one frame. io.EOF: the other side is gone.
func Read(r io.Reader) (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > Max {
		return 0, nil, fmt.Errorf("read a frame %q of %d bytes: the stream is out of step", head[0], n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return Kind(head[0]), data, nil
}

// Bytes are a size as KindSize carries it.
func (s Size) Bytes() []byte {
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, s.Rows), s.Cols)
}

// ParseSize is the reverse.
func ParseSize(b []byte) Size {
	return Size{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])}
}
