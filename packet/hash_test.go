package packet

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestHashDirections(t *testing.T) {
	p := Packet{Version: 4, Proto: ProtoTCP, Transport: true, Src: addr4(1), Dst: addr4(2), SrcPort: 40000, DstPort: 80}
	reverse := p
	reverse.Src, reverse.Dst, reverse.SrcPort, reverse.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	if p.Hash() != reverse.Hash() {
		t.Error("hash depends on the direction")
	}
	for name, change := range map[string]func(p *Packet){
		"protocol":        func(p *Packet) { p.Proto = ProtoUDP },
		"source":          func(p *Packet) { p.Src = addr4(3) },
		"source port":     func(p *Packet) { p.SrcPort++ },
		"ports exchanged": func(p *Packet) { p.SrcPort, p.DstPort = p.DstPort, p.SrcPort },
		"no ports":        func(p *Packet) { p.Transport = false },
	} {
		q := p
		if change(&q); q.Hash() == p.Hash() {
			t.Errorf("%s: the same hash", name)
		}
	}
}

func TestHashICMP(t *testing.T) {
	tests := []struct {
		proto    uint8
		from, to uint16
		same     bool
	}{
		{ProtoICMP, 8, 0, true},
		{ProtoICMP, 13, 14, true},
		{ProtoICMP, 8, 14, false},
		{ProtoICMP, 3, 11, true}, // by address only
		{ProtoICMP, 8, 3, false},
		{ProtoICMPv6, 128, 129, true},
		{ProtoICMPv6, 135, 136, true},
		{ProtoICMPv6, 128, 135, false},
	}
	for _, tt := range tests {
		p := Packet{Proto: tt.proto, Transport: true, Src: addr6(1), Dst: addr6(2), SrcPort: tt.from, DstPort: 0}
		q := Packet{Proto: tt.proto, Transport: true, Src: addr6(2), Dst: addr6(1), SrcPort: tt.to, DstPort: 1}
		if same := p.Hash() == q.Hash(); same != tt.same {
			t.Errorf("protocol %d, types %d and %d: same hash %v, want %v", tt.proto, tt.from, tt.to, same, tt.same)
		}
	}
}

func TestOuterHash(t *testing.T) {
	p := Packet{NOuters: 1, Rare: &Rare{Outers: [MaxOuters]Outer{{Proto: ProtoUDP, Src: addr4(1), Dst: addr4(2), SrcPort: 40000, DstPort: 4789}}}}
	q := Packet{Proto: ProtoUDP, Transport: true, Src: addr4(2), Dst: addr4(1), SrcPort: 4789, DstPort: 40000}
	if p.OuterHash(0) != q.Hash() {
		t.Error("a carrier's hash is not its packet's")
	}
}

// TestHashDistribution spreads what networks have many of over buckets, by the
// low bits and by the high ones, and compares with chance.
func TestHashDistribution(t *testing.T) {
	const n, buckets = 1 << 16, 256
	sets := map[string]func(i int) Packet{
		"source ports": func(i int) Packet {
			return Packet{Src: addr4(1), Dst: addr4(2), SrcPort: uint16(i), DstPort: 443}
		},
		"scanned ports": func(i int) Packet {
			return Packet{Src: addr4(1), Dst: addr4(2), SrcPort: 40000, DstPort: uint16(i)}
		},
		"addresses": func(i int) Packet {
			return Packet{Src: addr4(1), Dst: Addr4([]byte{10, 1, byte(i >> 8), byte(i)}), SrcPort: 40000, DstPort: 22}
		},
		"pairs of addresses": func(i int) Packet {
			return Packet{Src: Addr4([]byte{10, 1, 0, byte(i >> 8)}), Dst: Addr4([]byte{10, 2, 0, byte(i)})}
		},
		"both ports": func(i int) Packet {
			return Packet{Src: addr4(1), Dst: addr4(2), SrcPort: 1024 + uint16(i>>8), DstPort: uint16(i & 255)}
		},
		"same address, sequential ports": func(i int) Packet {
			return Packet{Src: addr4(1), Dst: addr4(1), SrcPort: uint16(i), DstPort: uint16(i + 1)}
		},
		"IPv6 interfaces": func(i int) Packet {
			a := addr6(0)
			a[14], a[15] = byte(i>>8), byte(i)
			return Packet{Src: addr6(1), Dst: a, SrcPort: 40000, DstPort: 443}
		},
		"IPv6 networks": func(i int) Packet {
			a := addr6(1)
			a[6], a[7] = byte(i>>8), byte(i)
			return Packet{Src: a, Dst: addr6(1), SrcPort: 40000, DstPort: 443}
		},
		"IPv6 networks chosen for a zero operand": func(i int) Packet {
			var a Addr
			port := uint64(443)
			binary.LittleEndian.PutUint64(a[:8], -(port*mix2)^mix0)
			binary.LittleEndian.PutUint64(a[8:], uint64(i)*mix3)
			return Packet{Src: a, Dst: addr6(1), SrcPort: 443, DstPort: 443}
		},
		"IPv6 networks and ports": func(i int) Packet {
			a := addr6(1)
			a[7] = byte(i >> 8)
			return Packet{Src: a, Dst: addr6(1), SrcPort: uint16(i & 255), DstPort: 443}
		},
	}
	for name, set := range sets {
		var low, high, middle [buckets]int
		seen := make(map[uint64]bool, n)
		for i := range n {
			p := set(i)
			p.Proto, p.Transport = ProtoTCP, true
			h := p.Hash()
			seen[h] = true
			low[h%buckets]++
			middle[h>>28%buckets]++
			high[h>>56]++
		}
		if len(seen) != n {
			t.Errorf("%s: %d hashes of %d are the same as others", name, n-len(seen), n)
		}
		for which, counts := range map[string]*[buckets]int{"low": &low, "middle": &middle, "high": &high} {
			chi := 0.0
			for _, c := range counts {
				d := float64(c) - n/buckets
				chi += d * d / (n / buckets)
			}
			// The statistic is near normal for so many degrees of freedom.
			if z := (chi - (buckets - 1)) / math.Sqrt(2*(buckets-1)); z > 5 {
				t.Errorf("%s, %s bits: chi-squared %.0f with %d degrees of freedom", name, which, chi, buckets-1)
			}
		}
	}
}

func BenchmarkHash(b *testing.B) {
	p := Packet{Proto: ProtoTCP, Transport: true, Src: addr4(1), Dst: addr4(2), SrcPort: 40000, DstPort: 80}
	var sum uint64
	for b.Loop() {
		p.SrcPort++
		sum += p.Hash()
	}
	if sum == 0 {
		b.Fatal("no hash")
	}
}
