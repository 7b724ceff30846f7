package ldap

import (
	"testing"
	"tyto/internal/ber"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 389, Definition) }

func TestFilter(t *testing.T) {
	// The examples of RFC 4515 section 4, encoded by hand.
	for want, in := range map[string]string{
		"(cn=Babs Jensen)":                            "\xa3\x11\x04\x02cn\x04\x0bBabs Jensen",
		"(!(cn=Tim Howes))":                           "\xa2\x11\xa3\x0f\x04\x02cn\x04\x09Tim Howes",
		"(o=univ*of*mich*)":                           "\xa4\x15\x04\x01o\x30\x10\x80\x04univ\x81\x02of\x81\x04mich",
		"(seeAlso=*)":                                 "\x87\x07seeAlso",
		"(cn:caseExactMatch:=Fred Flintstone)":        "\xa9\x25\x81\x0ecaseExactMatch\x82\x02cn\x83\x0fFred Flintstone",
		"(o:dn:=Ace Industry)":                        "\xa9\x14\x82\x01o\x83\x0cAce Industry\x84\x01\xff",
		"(o=Parens R Us \\28for all your parens\\29)": "\xa3\x26\x04\x01o\x04\x21Parens R Us (for all your parens)",
		"(bin=\\00\\00\\00\\04)":                      "\xa3\x0b\x04\x03bin\x04\x04\x00\x00\x00\x04",
	} {
		r := ber.New([]byte(in))
		if got := string(appendFilter(nil, r.Next())); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestFilterIsBounded(t *testing.T) {
	in := []byte{0xa0, 0x83, 0x01, 0x86, 0xa0}
	for range 10_000 {
		in = append(in, "\xa3\x08\x04\x02cn\x04\x02ab"...)
	}
	r := ber.New(in)
	if got := len(appendFilter(nil, r.Next())); got > maxFilter+3 {
		t.Errorf("got %d bytes, want at most %d", got, maxFilter+3)
	}
}

func TestCompressedName(t *testing.T) {
	b := []byte("\x07example\x03com\x00\x03dc1\xc0\x00\xc0\x13")
	if got, end := compressedName(b, 13); got != "dc1.example.com" || end != 19 {
		t.Errorf("got %q, %d", got, end)
	}
	if _, end := compressedName(b, 19); end != -1 {
		t.Error("a pointer to itself was followed")
	}
}

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		in        string
		transport protocol.Transport
		want      protocol.Verdict
	}{
		"unbind":            {"\x30\x05\x02\x01\x02\x42\x00", protocol.TCP, protocol.Sure},
		"one byte":          {"\x30", protocol.TCP, protocol.More},
		"start of a bind":   {"\x30\x0c\x02\x01\x01\x60", protocol.TCP, protocol.More},
		"long lengths":      {"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x60\x84\x00\x00\x00\x07\x02\x01\x03", protocol.TCP, protocol.Sure},
		"lengths disagree":  {"\x30\x0c\x02\x01\x01\x60\x09\x02\x01\x03\x04\x00\x80\x00", protocol.TCP, protocol.No},
		"SNMP":              {"\x30\x0e\x02\x01\x01\x04\x06public\xa0\x01", protocol.UDP, protocol.No},
		"other application": {"\x30\x05\x02\x01\x02\x7c\x00", protocol.TCP, protocol.No},
		"text":              {"0 200 OK", protocol.TCP, protocol.No},
	} {
		e := protocol.Evidence{Transport: c.transport, OrigPort: 40000, RespPort: 9000}
		e.Data[0] = []byte(c.in)
		if got := probe(&e); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.TCP, OrigPort: 40000, RespPort: 389}
	e.Data[0] = []byte("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
