//go:build linux

package container

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// fill sets every field below v to something that is not zero, and no two to the same.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f, n)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString("text " + string(rune('A'+*n%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uintptr:
		v.SetUint(uint64(*n))
	default:
		v.SetInt(int64(*n))
	}
}

// A field that is added to the plan and forgotten in its list would be lost on the way, without a word.
func TestEveryFieldTravels(t *testing.T) {
	n := 0
	var sent, got plan
	fill(reflect.ValueOf(&sent).Elem(), &n)
	sent.Size.Xpixel, sent.Size.Ypixel = 0, 0 // nobody counts pixels
	raw, err := pack(&sent)
	require.NoError(t, err)
	require.NoError(t, unpack(raw, &got))
	require.Equal(t, sent, got)

	var m, back message
	fill(reflect.ValueOf(&m).Elem(), &n)
	raw, err = pack(&m)
	require.NoError(t, err)
	require.NoError(t, unpack(raw, &back))
	require.Equal(t, m, back)
}

func TestWireRefuses(t *testing.T) {
	_, err := pack(&plan{Args: []string{"a\x00b"}})
	require.ErrorContains(t, err, "NUL")
	raw, err := pack(&message{Error: "e"})
	require.NoError(t, err)
	require.ErrorContains(t, unpack(raw[:len(raw)-1], &message{}), "ends too early")
	require.ErrorContains(t, unpack(append(raw, 'x'), &message{}), "too many")
	require.Error(t, unpack([]byte("part\x00error\x00no number\x000\x00"), &message{}))
}
