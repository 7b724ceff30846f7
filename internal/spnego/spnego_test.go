package spnego

import (
	"encoding/hex"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	const ntlm = "4e544c4d5353500001000000"
	tests := []struct {
		name, hex   string
		ok          bool
		kind        Kind
		mech        Mech
		state       State
		inner       string
		noKerberos  bool
		kerberosMsg string
	}{
		{name: "bare NTLMSSP", hex: ntlm, ok: true, mech: MechNTLM, inner: ntlm},
		{name: "NegTokenInit with NTLM",
			hex: "602a06062b0601050502a020301ea00e300c060a2b06010401823702020aa20c040a4e544c4d535350000100",
			ok:  true, kind: Init, mech: MechNTLM, inner: "4e544c4d535350000100"},
		{name: "NegTokenInit offers Kerberos first, no token",
			hex: "602506062b0601050502a01b3019a0173015" + "06092a864886f712010202" + "06092a864882f712010202"[:20],
			ok:  true, kind: Init, mech: MechKerberos},
		{name: "NegTokenResp accept-incomplete with NTLM",
			hex: "a1173015a0030a0101a20e040c" + ntlm, ok: true, kind: Resp, mech: MechNTLM, state: AcceptIncomplete, inner: ntlm},
		{name: "NegTokenResp accept-completed", hex: "a1073005a0030a0100", ok: true, kind: Resp, state: AcceptCompleted},
		{name: "NegTokenResp reject", hex: "a1073005a0030a0102", ok: true, kind: Resp, state: Reject},
		{name: "Kerberos without SPNEGO", hex: "601106092a864886f71201020201006e020500", ok: true, mech: MechKerberos,
			inner: "601106092a864886f71201020201006e020500", kerberosMsg: "6e020500"},
		{name: "AP-REQ as it is", hex: "6e020500", ok: true, mech: MechKerberos, inner: "6e020500", kerberosMsg: "6e020500"},
		{name: "Wrap", hex: "050405ff000c000c00000000" + "3030dd1a" + "0ede7af33607ad4f0ec6df0b07010000",
			ok: true, kind: Message, mech: MechKerberos},
		{name: "MIC", hex: "040404ffffffffff" + "0000000000000001" + "0ede7af33607ad4f0ec6df0b", ok: true, kind: Message, mech: MechKerberos},
		{name: "Wrap of RFC 1964", hex: "601506092a864886f712010202" + "0201" + "1100ffffffff0102",
			ok: true, kind: Message, mech: MechKerberos},
		{name: "like a Wrap, with flags nobody defined", hex: "050485ff000c000c000000003030dd1a", ok: false},
		{name: "like a MIC, without its filler", hex: "040404ff00000000000000003030dd1a", ok: false},
		{name: "Wrap that breaks off", hex: "050405ff000c", ok: false},
		{name: "breaks off", hex: "60820100" + "06062b0601050502a0", ok: false},
		{name: "indefinite length", hex: "6080", ok: false},
		{name: "nothing", hex: "", ok: false},
	}
	for _, tt := range tests {
		got, ok := Parse(unhex(t, tt.hex))
		if ok != tt.ok {
			t.Errorf("%s: ok = %v, want %v", tt.name, ok, tt.ok)
			continue
		}
		if got.Kind != tt.kind || got.Mech != tt.mech || got.State != tt.state || hex.EncodeToString(got.Inner) != tt.inner {
			t.Errorf("%s: got kind %d mech %v state %d inner %x", tt.name, got.Kind, got.Mech, got.State, got.Inner)
		}
		if msg, _ := Kerberos(got.Inner); hex.EncodeToString(msg) != tt.kerberosMsg {
			t.Errorf("%s: Kerberos message %x, want %s", tt.name, msg, tt.kerberosMsg)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := unhex(t, "602a06062b0601050502a020301ea00e300c060a2b06010401823702020aa20c040a4e544c4d535350000100")
	if n := testing.AllocsPerRun(100, func() { Parse(b) }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("NTLMSSP\x00\x01\x00\x00\x00"))
	f.Add([]byte("\xa1\x07\x30\x05\xa0\x03\x0a\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tok, ok := Parse(b); ok {
			Kerberos(tok.Inner)
		}
	})
}
