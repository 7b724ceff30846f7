package entity_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tyto/entity"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/session"
)

// dump writes all records of a graph as JSON lines.
func dump(g *entity.Graph) []string {
	var e record.Encoder
	for x := range g.Entities() {
		e.Begin(x.Schema())
		x.Append(&e)
		e.End()
	}
	for x := range g.Relations() {
		e.Begin(x.Schema())
		x.Append(&e)
		e.End()
	}
	return strings.Split(strings.TrimSuffix(string(e.Buf), "\n"), "\n")
}

func week(seed uint64, o entity.Options) *entity.Graph {
	s := newSim(seed)
	s.run()
	g := entity.New(o)
	for i := range s.facts {
		g.Add(&s.facts[i].f)
	}
	return g
}

func diff(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d: got\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
}

// The same facts make the same records, shedding included.
func TestDeterministic(t *testing.T) {
	for _, limit := range []int{0, 100 << 10} {
		o := entity.Options{MemoryLimit: limit}
		diff(t, dump(week(7, o)), dump(week(7, o)))
	}
}

// A graph made of the records of another has the same records, and goes on as
// that does.
func TestRestore(t *testing.T) {
	s := newSim(8)
	s.run()
	g := entity.New(entity.Options{})
	half := len(s.facts) / 2
	for i := range s.facts[:half] {
		g.Add(&s.facts[i].f)
	}
	g.Add(&entity.Fact{Relation: entity.TalkedTo, First: s.facts[half].at, Via: "ssh", From: entity.AddressRef(a1), To: entity.AddressRef(server), Behavior: "shell"})
	again := restore(t, g)
	diff(t, dump(again), dump(g))
	for i := range s.facts[half:] {
		g.Add(&s.facts[half+i].f)
		again.Add(&s.facts[half+i].f)
	}
	said, truth := sightings(again, s)
	if precision, recall := pairwise(said, truth); precision < 0.99 || recall < 0.9 {
		t.Errorf("after a restart in the middle of the week: precision %.4f, recall %.4f", precision, recall)
	}
}

func restore(t *testing.T, g *entity.Graph) *entity.Graph {
	t.Helper()
	again := entity.New(entity.Options{})
	for x := range g.Entities() {
		if err := again.RestoreEntity(x); err != nil {
			t.Fatal(err)
		}
	}
	for x := range g.Relations() {
		if err := again.RestoreRelation(x); err != nil {
			t.Fatal(err)
		}
	}
	return again
}

func TestRestoreErrors(t *testing.T) {
	g := entity.New(entity.Options{})
	for _, x := range []entity.Entity{
		{ID: "domain", Kind: entity.Domain},
		{ID: "domain:", Kind: entity.Domain},
		{ID: "user:x", Kind: entity.Domain},
		{ID: "address:10.0.0.1", Kind: entity.Address, Addr: a2},
		{ID: "address:10.0.0.1#0", Kind: entity.Address, Addr: a1},
		{ID: "address:10.0.0.1#999", Kind: entity.Address, Addr: a1},
		{ID: "interface:3c:52:82:00:00:02", Kind: entity.Interface, MAC: mac(1)},
	} {
		if err := g.RestoreEntity(&x); err == nil {
			t.Errorf("%+v: no error", x)
		}
	}
	if err := g.RestoreRelation(&entity.Relation{Kind: entity.Named, From: "address:10.0.0.1", To: "domain:x"}); err == nil {
		t.Error("a relation of unknown entities: no error")
	}
}

// flooded is the k-th server of a flood.
func flooded(k int) packet.Addr {
	return ip(60+byte(k%100), byte(k/100), byte(k/100>>8), byte(k/100>>16))
}

// flood adds sessions of few clients with many servers: n relations.
func flood(g *entity.Graph, n, sessions int) {
	rnd := rand.New(rand.NewPCG(1, 1))
	f := entity.Fact{Relation: entity.TalkedTo, Via: "tls", RespBytes: 1, Proto: packet.ProtoTCP, Port: 443}
	for i := range n * sessions {
		k := i % n
		f.First = monday + int64(i)*second/1000
		f.Last = f.First + second
		f.UID = session.UID{rnd.Uint64(), rnd.Uint64()}
		f.From = entity.AddressRef(ip(10, 0, byte(k%1000>>8), byte(k%1000)))
		f.To = entity.AddressRef(flooded(k))
		g.Add(&f)
	}
}

// maxEdgeBytes is what a relation may cost in memory, its share of the entities
// included.
const maxEdgeBytes = 300

// Relations with many sessions each, and about four to an entity, take at most
// 300 bytes.
func TestEdgeBytes(t *testing.T) {
	const clients, servers = 1000, 50
	before := heap()
	g := entity.New(entity.Options{MemoryLimit: 1 << 30})
	f := entity.Fact{Relation: entity.TalkedTo, RespBytes: 1}
	n := 0
	for range 7 {
		for c := range clients {
			for k := range servers {
				f.Via = []string{"tls", "ssh", "dns"}[k%3]
				f.First = monday + int64(n)
				f.UID = session.UID{uint64(n), 1}
				f.From, f.To = entity.AddressRef(ip(10, 0, byte(c>>8), byte(c))), entity.AddressRef(ip(60, byte(k), byte(c%200), 1))
				g.Add(&f)
				n++
			}
		}
	}
	used := heap() - before
	edges := g.Stats().Relations
	if per := used / uint64(edges); per > maxEdgeBytes {
		t.Errorf("%d relations of %d entities take %d bytes each, want at most %d", edges, g.Stats().Entities, per, maxEdgeBytes)
	} else {
		t.Logf("%d relations of %d entities, 7 sessions each: %d bytes a relation", edges, g.Stats().Entities, per)
	}
	runtime.KeepAlive(g)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A graph that is full forgets what was not seen for longest, counts it, and
// keeps to its limit.
func TestShed(t *testing.T) {
	const limit, servers = 4 << 20, 60_000
	before := heap()
	g := entity.New(entity.Options{MemoryLimit: limit})
	g.Add(&entity.Fact{Relation: entity.Held, Via: "arp", First: monday, From: entity.AddressRef(a1), To: entity.InterfaceRef(mac(1))})
	flood(g, servers, 1)
	if used := heap() - before; used > limit*5/4 {
		t.Errorf("%d bytes are used of %d", used, limit)
	}
	s := g.Stats()
	if s.ShedRelations < servers/2 || s.ShedEntities < servers/2 {
		t.Errorf("got %+v, want most of %d relations and servers shed and counted", s, servers)
	}
	if d := g.DeviceAt(a1, monday+hour); d == nil || len(d.MACs) != 1 {
		t.Error("a device at home was forgotten")
	}
	v := g.Now()
	if v.Holder(flooded(servers-1)) == 0 {
		t.Error("the latest server was forgotten")
	}
	if got := len(dump(g)); got < s.Entities+s.Relations {
		t.Errorf("%d records of %d entities and %d relations", got, s.Entities, s.Relations)
	}
}

// Names without end, as of a tunnel in DNS, push each other out and nothing
// that matters.
func TestShedNames(t *testing.T) {
	g := entity.New(entity.Options{MemoryLimit: 2 << 20})
	for i := range 40_000 {
		g.Add(&entity.Fact{Relation: entity.Resolved, Via: "dns", First: monday + int64(i), From: entity.AddressRef(a1), To: entity.NameRef(entity.Domain, fmt.Sprintf("%016x.tunnel.example", i))})
		g.Add(&entity.Fact{Relation: entity.Resolved, Via: "dns", First: monday + int64(i), From: entity.AddressRef(a2), To: entity.NameRef(entity.Domain, "wiki.corp.example")})
	}
	if g.Find("domain:wiki.corp.example") == 0 || g.Find("address:10.0.0.1") == 0 {
		t.Error("what was always seen was forgotten")
	}
	if s := g.Stats(); s.Entities > 12_000 || s.ShedEntities == 0 {
		t.Errorf("got %+v", s)
	}
}

// Too many behaviors are counted, not mixed up.
func TestManyBehaviors(t *testing.T) {
	g := entity.New(entity.Options{})
	for i := range 70 {
		g.Add(&entity.Fact{Relation: entity.TalkedTo, Via: "ssh", First: monday, From: entity.AddressRef(a1), To: entity.AddressRef(a2), Behavior: fmt.Sprint("b", i)})
	}
	for x := range g.Relations() {
		if x.Kind == entity.TalkedTo && (len(x.Behaviors) != 64 || x.Count != 0 || slices.Contains(x.Behaviors, "b64")) {
			t.Errorf("got %d behaviors, %d sessions", len(x.Behaviors), x.Count)
		}
	}
	if n := g.Stats().ShedFacts; n != 6 {
		t.Errorf("%d behaviors shed, want 6", n)
	}
}

// FuzzGraph adds facts in any order, of any kind, to a small graph.
func FuzzGraph(f *testing.F) {
	f.Add([]byte("talked-to and held, held and talked-to"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g := entity.New(entity.Options{MemoryLimit: 20 << 10})
		at := monday
		for len(data) >= 6 {
			kind, from, to, via, step := entity.RelationKind(data[0]%22), data[1], data[2], data[3], data[4]
			at += (int64(step) - 20) * minute
			fact := entity.Fact{Relation: kind, First: at, Last: at + int64(data[5])*minute, Via: []string{"arp", "dhcp", "kerberos", "ntlm", "tls"}[via%5], From: anyRef(from, kind), To: anyRef(to, kind), Failed: data[5]&1 != 0, Port: 22, RespBytes: 1, Proto: packet.ProtoTCP}
			g.Add(&fact)
			data = data[6:]
		}
		again := restore(t, g)
		if a, b := len(dump(again)), len(dump(g)); a < b-len(g.Devices())-len(again.Devices())-100 {
			t.Errorf("%d records were restored of %d", a, b)
		}
		g.Now().Path(g.Find("address:10.0.0.1"), g.Find("address:10.0.0.2"), entity.PathQuery{})
	})
}

func anyRef(b byte, kind entity.RelationKind) entity.Ref {
	switch {
	case b < 100 || kind == entity.TalkedTo:
		r := entity.AddressRef(ip(10, 0, 0, b%16))
		if b%3 == 0 {
			r.MAC = mac(int(b % 5))
		}
		return r
	case b < 150 || kind == entity.Held:
		return entity.InterfaceRef(mac(int(b % 5)))
	}
	return entity.NameRef(entity.Kind(b%14), fmt.Sprint("name", b%32))
}

func BenchmarkAdd(b *testing.B) {
	g := entity.New(entity.Options{MemoryLimit: 1 << 30})
	flood(g, 1000, 1)
	f := entity.Fact{Relation: entity.TalkedTo, Via: "tls", First: monday, Last: monday + second, RespBytes: 1, Proto: packet.ProtoTCP, Port: 443}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		f.First += second / 1000
		f.From = entity.Ref{Kind: entity.Address, Addr: ip(10, 0, 0, byte(i)), MAC: mac(i & 255)}
		f.To = entity.AddressRef(ip(60, byte(i>>8), 1, 1))
		g.Add(&f)
	}
}

func BenchmarkConclude(b *testing.B) {
	s := newSim(9)
	s.run()
	g := entity.New(entity.Options{})
	for i := range s.facts {
		g.Add(&s.facts[i].f)
	}
	for b.Loop() {
		g.Add(&s.facts[len(s.facts)-1].f)
		g.Devices()
	}
}
