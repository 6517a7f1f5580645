package atlas

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
)

var ociVersion = specs.Version

// fields are the paths of all fields that a type of the specification holds, as they stand in config.json. What is only for
// another platform is named, and not looked into.
func fields(path string, t reflect.Type) (list []string) {
	for {
		switch {
		case t.Kind() == reflect.Pointer:
			t = t.Elem()
			continue
		case t.Kind() == reflect.Slice && structural(t.Elem()):
			t, path = t.Elem(), path+"[]"
			continue
		case t.Kind() == reflect.Map && structural(t.Elem()):
			t, path = t.Elem(), path+"{}"
			continue
		}
		break
	}
	if path != "" {
		list = append(list, path)
	}
	if t.Kind() != reflect.Struct {
		return list
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			its := fields(path, f.Type) // count as ours; we stand on the list already
			if path != "" {
				its = its[1:]
			}
			list = append(list, its...)
			continue
		}
		if path != "" {
			name = path + "." + name
		}
		if p := f.Tag.Get("platform"); p != "" && !slices.Contains(strings.Split(p, ","), "linux") {
			list = append(list, name)
			continue
		}
		list = append(list, fields(name, f.Type)...)
	}
	return list
}

func structural(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// compare says which fields have no row, which have several, and which rows name a field that is not there. A star in a row
// stands for any part of a name.
func compare(rows []Row, fields []string) (wrong []string) {
	times, used := map[string]int{}, map[string]bool{}
	for _, r := range rows {
		p := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(r.Name), `\*`, `[^.]*`) + "$")
		for _, field := range fields {
			if p.MatchString(field) {
				times[field]++
				used[r.Name] = true
			}
		}
	}
	for _, field := range fields {
		if times[field] != 1 {
			wrong = append(wrong, fmt.Sprintf("%s has %d rows", field, times[field]))
		}
	}
	for _, r := range rows {
		if !used[r.Name] {
			wrong = append(wrong, r.Name+" is no field")
		}
	}
	return wrong
}

// Every field of the OCI's config.json has its row, and every row its field.
func TestEachFieldOfTheOCIHasItsRow(t *testing.T) {
	all := fields("", reflect.TypeFor[specs.Spec]())
	require.Greater(t, len(all), 200)
	for _, f := range []string{"ociVersion", "process.rlimits[].soft", "linux.resources.unified", "linux.resources.rdma{}.hcaHandles",
		"linux.resources.blockIO.weightDevice[].major", "linux.timeOffsets{}.secs", "windows"} {
		require.Contains(t, all, f)
	}
	require.Empty(t, compare(rows(t, "oci"), all))
}

// What the test above would let pass would be no test.
func TestAMissingOrInventedFieldIsFound(t *testing.T) {
	type inner struct {
		A int `json:"a"`
	}
	type embedded struct {
		B int `json:"b,omitempty"`
	}
	type spec struct {
		embedded
		One   []inner           `json:"one,omitempty"`
		Two   map[string]*inner `json:"two"`
		Three map[string]string `json:"three"`
		Four  *inner            `json:"four" platform:"windows"`
	}
	all := fields("", reflect.TypeFor[spec]())
	require.Equal(t, []string{"b", "one[]", "one[].a", "two{}", "two{}.a", "three", "four"}, all)
	named := func(names ...string) (rows []Row) {
		for _, n := range names {
			rows = append(rows, Row{Name: n})
		}
		return rows
	}
	require.Empty(t, compare(named("b", "one[]", "t*{}", "one[].a", "two{}.a", "three", "four"), all))
	require.Equal(t, []string{"three has 0 rows"}, compare(named("b", "one[]", "two{}", "one[].a", "two{}.a", "four"), all))
	require.Equal(t, []string{"five is no field"}, compare(named("b", "one[]", "two{}", "one[].a", "two{}.a", "three", "four", "five"), all))
	require.Equal(t, []string{"four has 2 rows"}, compare(named("b", "one[]", "two{}", "one[].a", "two{}.a", "three", "four", "f*"), all))
}
