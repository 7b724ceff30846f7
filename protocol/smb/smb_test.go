package smb

import (
	"fmt"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
	"tyto/protocol/dcerpc"
	"tyto/protocol/ntlm"
	"tyto/session"
)

func definitions() []protocol.Definition {
	d := Definition
	d.New = New(func(f *protocol.Flow, dir session.Direction, msg []byte) {
		f.Anomaly("kerberos_message", fmt.Sprintf("%s %d bytes", dir, len(msg)))
	})
	return []protocol.Definition{d, dcerpc.Definition, ntlm.Definition, ntlm.GSSAPI}
}

func TestGolden(t *testing.T) { flowtest.Golden(t, definitions()...) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 445, definitions()...) }

func TestTableBounded(t *testing.T) {
	var open table
	for i := range 10 * maxFiles {
		p := &file{key: fileKey{uint64(i), 1}}
		old := open.add(p)
		if want := i >= maxFiles; (old != nil) != want {
			t.Fatalf("file %d: given up %v, want %v", i, old, want)
		}
		if i%3 == 0 {
			open.remove(p)
			open.add(p)
		}
	}
	if len(open.files) > maxFiles || len(open.order) > 2*maxFiles {
		t.Errorf("%d files, %d in order", len(open.files), len(open.order))
	}
	n, last := 0, uint64(0)
	open.each(func(p *file) {
		if n++; n > 1 && p.key.persistent < last {
			t.Error("not in the order of opening")
		}
		last = p.key.persistent
	})
	if n != maxFiles || len(open.files) != 0 {
		t.Errorf("each gave %d files, want %d", n, maxFiles)
	}
}

func TestNetbiosName(t *testing.T) {
	const name = "\x20FDFCFGCNEPEMEECACACACACACACACACA\x00"
	if got := netbiosName([]byte(name)); got != "SRV-OLD" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"\x21" + name[1:], "\x20zz" + name[3:]} {
		if got := netbiosName([]byte(bad)); got != "" {
			t.Errorf("%q reads as %q", bad, got)
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.TCP, RespPort: 445}
	e.Data[0] = []byte("\x00\x00\x00\x40\xfeSMB\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("probe allocates %v times", n)
	}
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("probe = %v, want Sure", got)
	}
}
