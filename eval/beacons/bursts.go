package beacons

import (
	"fmt"
	"math/rand/v2"

	"tyto/detection"
	"tyto/detection/dga"
	"tyto/session"
)

// burst is clients that ask for names that do not exist.
type burst struct {
	name                 string
	clients, told, named int
}

// measureBursts runs the detector over a site in which some clients look for a
// controller as each family does, and others ask in vain for everyday reasons.
func measureBursts(seed uint64, each int) (list []*burst) {
	r := rand.New(rand.NewPCG(seed, 0x6275))
	c := newCorpus(true, seed)
	d := dga.New()
	var l detection.Ledger
	type client struct {
		*burst
		controller string
	}
	clients := make(map[string]client)
	ask := func(b *burst, queries []detection.Query, controller string) {
		at := epoch + int64(day*r.Float64()*1e9/2)
		for i := range queries {
			at += int64(logEven(r, 0.05, 8) * 1e9)
			queries[i].At = at
		}
		host := device(len(clients) + 1)
		s := &detection.Session{UID: session.UID{uint64(len(clients)), 5}, App: "dns", State: "SF", Home: [2]bool{true, true}, Sheet: &detection.Sheet{Queries: queries}}
		s.Tuple = session.Tuple{Orig: host, Resp: device(5000), RespPort: 53, Proto: 17}
		clients[host.String()] = client{b, controller}
		b.clients++
		d.Session(s, &l)
	}
	for _, f := range families {
		b := &burst{name: "**" + f.class + ": " + f.name + "**"}
		list = append(list, b)
		for range each {
			var queries []detection.Query
			g := newGenerator(r, c.words)
			top := []string{"com", "net", "org", "info", "biz", "ru", "top"}[r.IntN(7)]
			for range 15 + r.IntN(150) {
				queries = append(queries, detection.Query{Name: f.make(g) + "." + top, Type: "A", Missing: true})
			}
			controller := f.make(g) + "." + top
			ask(b, append(queries, detection.Query{Name: controller, Type: "A"}), controller)
		}
	}
	advertisers := make([]string, 40)
	for i := range advertisers {
		advertisers[i] = letters(newGenerator(r, nil).shift, lower, 9, 14) + ".com"
	}
	for _, k := range []struct {
		name    string
		clients int
		most    int
		make    func() string
	}{
		{"mistyped and expired names", 900, 8, func() string { return mistype(r, c.people()) + ".com" }},
		{"advertisers' generated names, filtered", 400, 30, func() string { return advertisers[r.IntN(40)] }},
		{"senders of mail, looked up by its server", 5, 200, func() string {
			if r.IntN(12) == 0 {
				return letters(newGenerator(r, nil).shift, lower, 7, 12) + ".com"
			}
			return c.people() + ".com"
		}},
		{"browsers' probes of single labels", 300, 30, func() string { return letters(newGenerator(r, nil).shift, lower, 7, 15) }},
		{"links of old pages, checked by a crawler", 5, 250, func() string { return c.people() + ".org" }},
	} {
		b := &burst{name: k.name}
		list = append(list, b)
		for range k.clients {
			var queries []detection.Query
			for range 1 + r.IntN(k.most) {
				queries = append(queries, detection.Query{Name: k.make(), Type: "A", Missing: true})
			}
			for range 20 {
				queries = append(queries, detection.Query{Name: c.people() + ".com", Type: "A"})
			}
			ask(b, queries, "")
		}
	}
	d.Finish(&l)
	for _, f := range l.All() {
		k := clients[f.Key]
		if f.Score() < alert || k.burst == nil {
			continue
		}
		k.told++
		if k.controller != "" && f.Outside.Domain == k.controller {
			k.named++
		}
	}
	return list
}

// mistype exchanges, drops or doubles a letter.
func mistype(r *rand.Rand, name string) string {
	i := r.IntN(len(name) - 1)
	switch r.IntN(3) {
	case 0:
		return name[:i] + name[i+1:]
	case 1:
		return name[:i] + string(name[i+1]) + string(name[i]) + name[i+2:]
	}
	return fmt.Sprint(name[:i+1], name[i:])
}
