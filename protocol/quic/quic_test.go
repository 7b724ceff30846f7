package quic

import (
	"bytes"
	"encoding/hex"
	"testing"

	"tyto/internal/flowtest"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/protocol/tls"
	"tyto/session"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition, tls.Definition) }

func FuzzAnalyzer(f *testing.F) {
	flowtest.Fuzz(f, packet.ProtoUDP, 443, Definition, tls.Definition)
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// firstDCID is the client's first connection identifier in the examples of
// RFC 9001 appendix A and RFC 9369 appendix A.
const firstDCID = "8394c8f03e515708"

// clientFrame is the CRYPTO frame of RFC 9001 appendix A.2.
const clientFrame = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113" +
	"02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005" +
	"04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce1" +
	"5d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100" +
	"3900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806" +
	"048000ffff"

// TestKeys checks the keys of the RFCs' examples.
func TestKeys(t *testing.T) {
	for _, tc := range []struct {
		name           string
		version        uint32
		client, server [3]string // key, iv, hp
	}{
		{"RFC 9001 A.1", version1,
			[3]string{"1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
			[3]string{"cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"}},
		{"RFC 9369 A.1", version2,
			[3]string{"8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
			[3]string{"82db637861d55e1d011f19ea71d5d2a7", "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"}},
	} {
		initial := hmacSHA256(saltOf(tc.version), unhex(t, firstDCID))
		for side, want := range map[string][3]string{"client in": tc.client, "server in": tc.server} {
			secret := expand(initial[:], side, 32)
			prefix := "quic "
			if tc.version == version2 {
				prefix = "quicv2 "
			}
			key, iv, hp := expand(secret[:], prefix+"key", 16), expand(secret[:], prefix+"iv", 12), expand(secret[:], prefix+"hp", 16)
			got := [3]string{hex.EncodeToString(key[:16]), hex.EncodeToString(iv[:12]), hex.EncodeToString(hp[:16])}
			if got != want {
				t.Errorf("%s %s: got %v, want %v", tc.name, side, got, want)
			}
		}
	}
}

// TestServerInitial opens the protected server packets of the RFCs' examples.
func TestServerInitial(t *testing.T) {
	for name, packet := range map[string]string{
		"RFC 9001 A.3": "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3" +
			"8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84" +
			"022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
		"RFC 9369 A.3": "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf872630" +
			"17915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2" +
			"c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
	} {
		b := unhex(t, packet)
		h, ok := longHeader(b)
		if !ok || h.kind != kindInitial || h.bytes != len(b) || hex.EncodeToString(h.scid) != "f067a5502a4262b5" {
			t.Fatalf("%s: header %+v", name, h)
		}
		var k keys
		k.derive(h.version, unhex(t, firstDCID))
		var memory []byte
		if !k.deriveServer() {
			t.Fatal(name)
		}
		text := k.server.open(b, &h, &memory)
		if want := unhex(t, "02000000000600405a020000560303ee"); !bytes.HasPrefix(text, want) {
			t.Errorf("%s: got %x, want %x…", name, text, want)
		}
	}
}

// seal protects an Initial packet of a client as RFC 9001 section 5 says.
func seal(tb testing.TB, version uint32, dcid, scid, token string, number uint32, frames []byte, bytes int) []byte {
	tb.Helper()
	var k keys
	d := unhex(tb, dcid)
	k.derive(version, d)
	return sealWith(tb, &k, &k.client, d, unhex(tb, scid), unhex(tb, token), number, frames, bytes)
}

func sealWith(tb testing.TB, k *keys, p *packetKeys, dcid, scid, token []byte, number uint32, frames []byte, bytes int) []byte {
	first := byte(0xc3)
	if k.version == version2 {
		first = 0xd3
	}
	v := k.version
	b := []byte{first, byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v), byte(len(dcid))}
	b = append(b, dcid...)
	b = append(b, byte(len(scid)))
	b = append(b, scid...)
	b = append(b, byte(len(token)))
	b = append(b, token...)
	text := append([]byte(nil), frames...)
	for len(text) < bytes-len(b)-2-4-16 {
		text = append(text, 0)
	}
	n := 4 + len(text) + 16
	b = append(b, 0x40|byte(n>>8), byte(n))
	at := len(b)
	b = append(b, byte(number>>24), byte(number>>16), byte(number>>8), byte(number))
	nonce := p.iv
	for i := range 4 {
		nonce[8+i] ^= byte(number >> (24 - 8*i))
	}
	b = p.aead.Seal(b, nonce[:], text, b)
	var mask [16]byte
	p.guard.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 15
	for i := range 4 {
		b[at+i] ^= mask[1+i]
	}
	return b
}

// TestClientInitial makes the packets of RFC 9001 appendix A.2 and RFC 9369
// appendix A.2, compares their ends, and reads them.
func TestClientInitial(t *testing.T) {
	for _, tc := range []struct {
		name        string
		version     uint32
		start, tail string
	}{
		{"RFC 9001 A.2", version1, "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934"},
		{"RFC 9369 A.2", version2, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", ""},
	} {
		b := seal(t, tc.version, firstDCID, "", "", 2, unhex(t, clientFrame), 1200)
		if !bytes.HasPrefix(b, unhex(t, tc.start)) || !bytes.HasSuffix(b, unhex(t, tc.tail)) || len(b) != 1200 {
			t.Errorf("%s: got %x…%x (%d)", tc.name, b[:32], b[1184:], len(b))
		}
		h, ok := longHeader(b)
		if !ok {
			t.Fatal(tc.name)
		}
		var a analyzer
		text := a.tryClient(b, &h)
		if want := unhex(t, clientFrame); !bytes.HasPrefix(text, want) {
			t.Errorf("%s: got %x", tc.name, text)
		}
	}
}

func TestVarint(t *testing.T) {
	// RFC 9000 appendix A.1.
	for in, want := range map[string]uint64{"c2197c5eff14e88c": 151288809941952652, "9d7f3e7d": 494878333, "7bbd": 15293, "25": 37, "4025": 37} {
		c := wire.New(unhex(t, in))
		if got := varint(&c); got != want || !c.OK() {
			t.Errorf("%s: got %d, want %d", in, got, want)
		}
	}
}

// TestProbe has what must not be taken for QUIC.
func TestProbe(t *testing.T) {
	for name, b := range map[string][]byte{
		"random":        unhex(t, "c00000000208aaaaaaaaaaaaaaaa08bbbbbbbbbbbbbbbb0044000000"),
		"STUN":          unhex(t, "000100002112a442000102030405060708090a0b00000000"),
		"DTLS":          unhex(t, "16fefd0000000000000000001c010000100000000000000010fefd00000000000000000000000000"),
		"short length":  unhex(t, "c0000000010008f067a5502a4262b5004475c0d95a482cd0991cd25b0aac"),
		"long dcid":     append(unhex(t, "c00000000120"), make([]byte, 1300)...),
		"RTP":           unhex(t, "80600001000000010000000100000000000000000000000000000000"),
		"version alone": unhex(t, "c000000001000000000000000000000000000000000000000000"),
	} {
		e := protocol.Evidence{Transport: protocol.UDP, Count: 1, OrigPort: 50000, RespPort: 4433}
		e.Data[0] = b
		if v := probe(&e); v != protocol.No {
			t.Errorf("%s: got %d", name, v)
		}
	}
	first := seal(t, version1, firstDCID, "", "", 2, unhex(t, clientFrame), 1200)
	if n := testing.AllocsPerRun(100, func() {
		e := protocol.Evidence{Transport: protocol.UDP, Count: 1, OrigPort: 50000, RespPort: 443}
		e.Data[0] = first
		if probe(&e) != protocol.Sure {
			t.Fatal("not recognised")
		}
	}); n > 1 { // the evidence itself
		t.Errorf("probe allocates %v times", n)
	}
	e := protocol.Evidence{Transport: protocol.UDP, Count: 1, OrigPort: 443, RespPort: 50000, Dir: session.Resp}
	e.Data[1] = first
	if probe(&e) != protocol.Sure || !e.Reversed {
		t.Error("roles are not exchanged")
	}
}
