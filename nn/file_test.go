package nn

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"strings"
	"testing"
)

var sample = []Array{
	{Name: "stem.weight", Rows: 2, Cols: 3, Values: []float32{1, -2, 3, 0.5, 1e-30, 7}},
	{Name: "größe", Rows: 1, Cols: 1, Values: []float32{math.MaxFloat32}},
}

func TestFile(t *testing.T) {
	got, err := Decode(Encode(sample))
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range sample {
		if got[i].Name != a.Name || got[i].Rows != a.Rows || got[i].Cols != a.Cols {
			t.Errorf("array %d: got %v, want %v", i, got[i], a)
		}
		equal(t, a.Name, got[i].Values, a.Values)
	}
}

// seal puts the right checksum behind a file's body.
func seal(body string) []byte {
	return binary.LittleEndian.AppendUint32([]byte(body), crc32.Checksum([]byte(body), castagnoli))
}

func TestHostileFiles(t *testing.T) {
	good := Encode(sample)
	flipped := bytes.Clone(good)
	flipped[20] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":         {nil, "does not begin"},
		"other magic":   {seal("GGUF\x03\x00\x00\x00\x00\x00\x00\x00"), "does not begin"},
		"damaged":       {flipped, "checksum"},
		"cut":           {good[:len(good)-5], "checksum"},
		"many arrays":   {seal(magic + "\xff\xff\xff\xff"), "at most"},
		"no array":      {seal(magic + "\x01\x00\x00\x00"), "ends before"},
		"huge name":     {seal(magic + "\x01\x00\x00\x00\xff\xff"), "name of 65535 bytes"},
		"huge array":    {seal(magic + "\x01\x00\x00\x00\x01\x00a\xff\xff\xff\xff\xff\xff\xff\xff"), "ends before"},
		"wrapping size": {seal(magic + "\x01\x00\x00\x00\x01\x00a\x00\x00\x00\x80\x00\x00\x00\x80"), "ends before"},
		"no rows":       {seal(magic + "\x01\x00\x00\x00\x01\x00a\x00\x00\x00\x00\x01\x00\x00\x00"), "at least one value"},
		"not a number":  {seal(magic + "\x01\x00\x00\x00\x01\x00a\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\xc0\x7f"), "NaN"},
		"twice":         {Encode([]Array{sample[0], sample[0]}), "two arrays"},
		"trailing":      {seal(string(Encode(sample)[:len(good)-4]) + "x"), "after the last"},
	} {
		if _, err := Decode(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestSetArrays(t *testing.T) {
	ps := new(Params)
	p := ps.New("a", 2, 3)
	for name, arrays := range map[string][]Array{
		"missing":       {},
		"another shape": {{Name: "a", Rows: 3, Cols: 2, Values: make([]float32, 6)}},
	} {
		if ps.SetArrays(arrays) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := ps.SetArrays([]Array{{Name: "a", Rows: 2, Cols: 3, Values: []float32{1, 2, 3, 4, 5, 6}}}); err != nil {
		t.Fatal(err)
	}
	equal(t, "a", p.Values(), []float32{1, 2, 3, 4, 5, 6})
}

// FuzzDecode holds that what Decode takes, Encode writes again.
func FuzzDecode(f *testing.F) {
	f.Add(Encode(sample)[:len(Encode(sample))-4])
	f.Add([]byte(magic + "\x01\x00\x00\x00\x01\x00a\x00\x00\x00\x80\x00\x00\x00\x80"))
	f.Fuzz(func(t *testing.T, body []byte) {
		file := seal(string(body))
		arrays, err := Decode(file)
		if err == nil && !bytes.Equal(Encode(arrays), file) {
			t.Errorf("%d arrays are written otherwise than they were read", len(arrays))
		}
	})
}
