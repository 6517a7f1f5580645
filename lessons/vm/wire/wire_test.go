package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFramesArriveAsTheyWereSent(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	sent := []byte("bytes \x00\x03\r\n")
	require.NoError(t, w.Write(KindOut, sent))
	require.NoError(t, w.Write(KindInput, nil))

	kind, data, err := Read(&b)
	require.NoError(t, err)
	require.Equal(t, KindOut, kind)
	require.Equal(t, sent, data)
	kind, data, err = Read(&b)
	require.NoError(t, err)
	require.Equal(t, KindInput, kind)
	require.Empty(t, data)
	_, _, err = Read(&b)
	require.Equal(t, io.EOF, err, "the end between two frames is a clean one")
}

func TestAStartArrivesInOneFrameOrInSeveral(t *testing.T) {
	start := &Start{Argv: []string{"sh"}, Size: Size{24, 80}}
	text, err := json.Marshal(start)
	require.NoError(t, err)
	for parts := range 3 {
		var there, back bytes.Buffer
		w := NewWriter(&there)
		for i := range parts {
			require.NoError(t, w.Write(KindPart, text[i:i+1]))
		}
		require.NoError(t, w.Write(KindStart, text[parts:]))
		s, err := ReadStart(&there, NewWriter(&back))
		require.NoError(t, err)
		require.Equal(t, start, s)
		for range parts {
			kind, _, err := Read(&back)
			require.NoError(t, err)
			require.Equal(t, KindTaken, kind)
		}
		require.Zero(t, back.Len(), "only parts are acknowledged")
	}
}

func TestAStreamThatIsBrokenIsNotObeyed(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, NewWriter(&b).Write(KindOut, []byte("cut short")))
	_, _, err := Read(bytes.NewReader(b.Bytes()[:b.Len()-1]))
	require.Equal(t, io.ErrUnexpectedEOF, err)
	_, _, err = Read(bytes.NewReader([]byte("kernel: hello")))
	require.ErrorContains(t, err, "out of step", "a length that no frame has")
	require.Error(t, NewWriter(&b).Write(KindOut, make([]byte, Max+1)))
	for kind, text := range map[Kind]string{KindOut: "{}", KindStart: "{"} {
		b.Reset()
		require.NoError(t, NewWriter(&b).Write(kind, []byte(text)))
		_, err = ReadStart(&b, nil)
		require.Error(t, err)
	}
}

// A writer is shared by the command's output, its errors, and the guest itself.
func TestFramesOfSeveralWritersDoNotMix(t *testing.T) {
	r, w := io.Pipe()
	writer := NewWriter(w)
	var wait sync.WaitGroup
	for i := range byte(4) {
		wait.Go(func() {
			for range 100 {
				_ = writer.Write(Kind(i), bytes.Repeat([]byte{i}, 1000))
			}
		})
	}
	go func() { wait.Wait(); w.Close() }()
	count := map[Kind]int{}
	for {
		kind, data, err := Read(r)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat([]byte{byte(kind)}, 1000), data)
		count[kind]++
	}
	require.Equal(t, map[Kind]int{0: 100, 1: 100, 2: 100, 3: 100}, count)
}

func TestAWindowsSizeTravelsInFourBytes(t *testing.T) {
	require.Equal(t, Size{300, 7}, ParseSize(Size{300, 7}.Bytes()))
	require.Len(t, Size{1, 2}.Bytes(), 4)
}
