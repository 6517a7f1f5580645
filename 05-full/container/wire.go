//go:build linux

package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A wire carries the fields of a message as strings, each with a NUL behind it, as /proc/PID/cmdline does: nothing that
// execve(2) takes or that names a file can hold one. The same list of fields writes and reads, so the two cannot
// disagree. encoding/json would do as well, but to learn the types takes a tenth of a start.
type wire struct {
	raw     []byte // written so far, or still to be read
	reading bool
	err     error // the first thing that went wrong; what comes after does nothing
}

// fielded is what can travel: fields names its fields to the wire, in order.
type fielded interface{ fields(w *wire) }

func pack(v fielded) ([]byte, error) {
	var w wire
	v.fields(&w)
	return w.raw, w.err
}

func unpack(raw []byte, v fielded) error {
	w := wire{raw: raw, reading: true}
	v.fields(&w)
	if w.err == nil && len(w.raw) > 0 {
		w.err = fmt.Errorf("container: %d bytes too many in a message", len(w.raw))
	}
	return w.err
}

func (w *wire) text(s *string) {
	switch {
	case w.err != nil:
	case w.reading:
		i := strings.IndexByte(string(w.raw), 0)
		if i < 0 {
			w.err = errors.New("container: a message ends too early")
			return
		}
		*s, w.raw = string(w.raw[:i]), w.raw[i+1:]
	case strings.IndexByte(*s, 0) >= 0:
		w.err = fmt.Errorf("container: %q holds a NUL byte, which the kernel takes for the end", *s)
	default:
		w.raw = append(append(w.raw, *s...), 0)
	}
}

func (w *wire) texts(list *[]string) {
	n := len(*list)
	number(w, &n)
	if w.reading {
		*list = nil
	}
	for i := 0; i < n && w.err == nil; i++ {
		if w.reading {
			*list = append(*list, "")
		}
		w.text(&(*list)[i])
	}
}

func (w *wire) yes(b *bool) {
	n := 0
	if *b {
		n = 1
	}
	number(w, &n)
	*b = n != 0
}

// number carries an integer of any kind, in decimal.
func number[N ~int | ~int64 | ~uint8 | ~uint16 | ~uintptr](w *wire, n *N) {
	s := strconv.FormatInt(int64(*n), 10)
	w.text(&s)
	if !w.reading || w.err != nil {
		return
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if w.err = err; int64(N(i)) != i {
		w.err = fmt.Errorf("container: %q in a message is no such number", s)
	}
	*n = N(i)
}
