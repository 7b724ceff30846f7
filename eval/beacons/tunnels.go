package beacons

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	"tyto/detection"
	"tyto/detection/dnstunnel"
	"tyto/session"
)

// asker makes a device's questions below one domain.
type asker struct {
	name    string
	source  string
	hostile bool
	// of a site of 1,000 devices: domains, and how many devices ask below each.
	domains, users int
	low, high      float64 // questions of a device a day
	gap            [2]float64
	make           func(q *question) detection.Query // Name is below the domain
}

// question is what a maker of names may use.
type question struct {
	*rand.Rand
	n     int // of this device, from 0
	words []string
	size  int    // a size drawn once, 0 to 99
	id    string // drawn once: 16 characters of base 36
}

func (q *question) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(q.IntN(256))
	}
	return b
}

func (q *question) hex(n int) string { return hex.EncodeToString(q.bytes((n + 1) / 2))[:n] }

func (q *question) base32(n int) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(q.bytes(n)))[:n]
}

func (q *question) word() string { return q.words[q.IntN(len(q.words))] }

func (q *question) address() string {
	return fmt.Sprintf("%d.%d.%d.%d", q.IntN(256), q.IntN(256), q.IntN(256), 1+q.IntN(254))
}

// labels cuts a name into labels of at most n characters.
func labels(s string, n int) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n] + ".")
		s = s[n:]
	}
	return b.String() + s
}

const base64dns = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

func (q *question) base64(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = base64dns[q.IntN(64)]
	}
	return string(b)
}

func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// askers are tunnels, and lookups that look alike.
var askers = []asker{
	{name: "iodine, in use", source: "iodine's protocol: a header letter and data in base 32, 64 or 128, up to 255 characters; NULL, TXT, CNAME, MX, SRV or A", hostile: true, low: 400, high: 5000, gap: [2]float64{0.05, 1},
		make: func(q *question) detection.Query {
			return detection.Query{Name: labels("0"+q.base64(60+q.IntN(140)), 57), Type: pickBy(q, "NULL", "TXT", "CNAME", "MX", "SRV", "A"), Answer: uint64(150 + q.IntN(900))}
		}},
	{name: "iodine, idle", source: "the same: a ping each 4 s with a few characters, after some 20 questions that try what gets through", hostile: true, low: 300, high: 3000, gap: [2]float64{2, 5},
		make: func(q *question) detection.Query {
			if q.n < 20 {
				return detection.Query{Name: labels("r"+q.base64(20+q.IntN(160)), 57), Type: pickBy(q, "NULL", "TXT", "CNAME", "MX", "SRV", "A"), Answer: uint64(100 + q.IntN(1000))}
			}
			return detection.Query{Name: "p" + q.base32(6+q.IntN(4)), Type: pickBy(q, "NULL", "TXT", "CNAME", "MX", "SRV", "A"), Answer: uint64(60 + q.IntN(40))}
		}},
	{name: "dnscat2", source: "dnscat2's protocol: hexadecimal in labels of up to 62, polls each second; TXT, CNAME, MX or A", hostile: true, low: 300, high: 4000, gap: [2]float64{0.5, 1.5},
		make: func(q *question) detection.Query {
			return detection.Query{Name: labels(q.hex(18+2*q.IntN(2)*q.IntN(60)), 62), Type: pickBy(q, "TXT", "CNAME", "MX", "A"), Answer: uint64(80 + q.IntN(120))}
		}},
	{name: "dns2tcp", source: "dns2tcp's protocol: base 64 below a session number; TXT or KEY", hostile: true, low: 300, high: 4000, gap: [2]float64{0.1, 2},
		make: func(q *question) detection.Query {
			return detection.Query{Name: labels(q.base64(20+q.IntN(100)), 62), Type: pickBy(q, "TXT", "KEY"), Answer: uint64(100 + q.IntN(400))}
		}},
	{name: "files sent in A questions", source: "DNSExfiltrator, dnsteal: base 32 or base 64 in labels, a counter in front, answers that say nothing", hostile: true, low: 200, high: 4000, gap: [2]float64{0.2, 3},
		make: func(q *question) detection.Query {
			return detection.Query{Name: fmt.Sprintf("%d.", q.n) + labels(q.base32(40+q.size), 60), Type: "A", Answer: 60, Missing: q.size < 30}
		}},
	{name: "slow: one question a minute", source: "SCIENCE H5, low and slow (T1030)", hostile: true, low: 600, high: 1400, gap: [2]float64{55, 65},
		make: func(q *question) detection.Query {
			return detection.Query{Name: labels(q.hex(30+q.size/2), 60), Type: pickBy(q, "A", "TXT", "CNAME", "AAAA"), Answer: uint64(60 + q.IntN(60)), Missing: q.size < 25}
		}},
	{name: "implant that checks in by DNS", source: "Cobalt Strike's DNS beacon: hexadecimal of a counter and an identifier; A for status, TXT for tasks, posted as hexadecimal labels", hostile: true, low: 300, high: 1400, gap: [2]float64{20, 70},
		make: func(q *question) detection.Query {
			if q.IntN(10) < 3 {
				return detection.Query{Name: "post." + labels(q.hex(40+q.IntN(60)), 56) + "." + q.hex(8) + "." + q.id[:7], Type: "A", Answer: 60}
			}
			return detection.Query{Name: q.hex(8) + "." + q.id[:7], Type: pick(q.Rand, "A", "A", "A", "TXT"), Answer: uint64(60 + q.IntN(150))}
		}},

	{name: "content network", source: "hosts of sites and their networks", domains: 25, users: 700, low: 3, high: 80, gap: [2]float64{1, 900},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.words[q.IntN(60)] + pick(q.Rand, "", "-img", ".cdn", fmt.Sprint(q.IntN(9))), Type: pick(q.Rand, "A", "AAAA", "HTTPS"), Answer: uint64(60 + q.IntN(200))}
		}},
	{name: "cloud names with hashes", source: "CloudFront: d and 13 characters; storage and load balancers of clouds; preview deployments", domains: 12, users: 250, low: 2, high: 60, gap: [2]float64{5, 1500},
		make: func(q *question) detection.Query {
			return detection.Query{Name: pick(q.Rand, "d"+q.base32(13), q.word()+"-"+q.hex(10)+".region-1.elb", q.hex(32), q.word()+"-git-"+q.word()+"-"+q.base32(9)), Type: pick(q.Rand, "A", "AAAA", "HTTPS"), Answer: uint64(80 + q.IntN(200))}
		}},
	{name: "preview deployments of a team", source: "the same, by one developer's browser", domains: 20, users: 2, low: 10, high: 120, gap: [2]float64{5, 600},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.words[q.IntN(5)] + "-" + q.base32(9) + "-" + q.words[7], Type: pick(q.Rand, "A", "AAAA"), Answer: 120}
		}},
	{name: "antivirus lookups", source: "file reputation by DNS (Sophos Live Protection, McAfee GTI, ESET LiveGrid): hashes of 26 to 64 characters and flags; A or TXT", domains: 3, users: 300, low: 40, high: 1500, gap: [2]float64{0.5, 300},
		make: func(q *question) detection.Query {
			return detection.Query{Name: fmt.Sprintf("a-0.19-%s.%s.1644.%s.%s", q.hex(8), q.hex(7), q.hex(4), q.base32(26)), Type: pick(q.Rand, "A", "A", "TXT"), Answer: uint64(60 + q.IntN(80)), Missing: q.IntN(10) < 3}
		}},
	{name: "antivirus that few have", source: "the same, on a few devices", domains: 3, users: 6, low: 40, high: 800, gap: [2]float64{0.5, 300},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.base32(32) + ".0.1", Type: "A", Answer: 70, Missing: q.IntN(10) < 6}
		}},
	{name: "mail block lists", source: "RFC 5782: addresses backwards; asked by mail servers", domains: 8, users: 3, low: 500, high: 4000, gap: [2]float64{0.1, 60},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.address(), Type: "A", Answer: 70, Missing: q.IntN(10) < 8}
		}},
	{name: "mail block lists of hashes", source: "SURBL, Spamhaus HBL and MSBL EBL: SHA-1 or base 32 of what is in the mail", domains: 2, users: 3, low: 200, high: 2500, gap: [2]float64{0.1, 60},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.hex(40), Type: "A", Answer: 70, Missing: q.IntN(100) < 97}
		}},
	{name: "addresses looked up in TXT", source: "origin.asn.cymru.com: networks of addresses, by tools of administrators", domains: 2, users: 4, low: 50, high: 2000, gap: [2]float64{0.05, 20},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.address() + ".origin", Type: "TXT", Answer: 110}
		}},
	{name: "mail policies", source: "RFC 7208, 6376, 7489: SPF, DKIM selectors and DMARC of one sender", domains: 20, users: 3, low: 5, high: 200, gap: [2]float64{1, 600},
		make: func(q *question) detection.Query {
			return detection.Query{Name: pick(q.Rand, "_dmarc", "", "selector1._domainkey", fmt.Sprintf("s%d._domainkey", q.IntN(30)), q.base32(16)+"._domainkey", fmt.Sprintf("_spf%d", q.IntN(4))), Type: "TXT", Answer: uint64(200 + q.IntN(400))}
		}},
	{name: "measurements with names of their own", source: "advertisements and tests of resolvers ask for names nobody asked for before (APNIC; dnsleaktest)", domains: 10, users: 40, low: 3, high: 60, gap: [2]float64{0.1, 600},
		make: func(q *question) detection.Query {
			return detection.Query{Name: fmt.Sprintf("%s-%s-%s", q.hex(8), q.hex(4), q.hex(12)), Type: pick(q.Rand, "A", "AAAA"), Answer: 80}
		}},
	{name: "servers at home with their names", source: "plex.direct: an address and 32 hexadecimal digits", domains: 1, users: 30, low: 2, high: 40, gap: [2]float64{1, 900},
		make: func(q *question) detection.Query {
			return detection.Query{Name: strings.ReplaceAll(q.address(), ".", "-") + "." + q.hex(32), Type: pick(q.Rand, "A", "AAAA"), Answer: 90}
		}},
	{name: "multicast (mDNS)", source: "RFC 6762: below local", domains: 1, users: 900, low: 5, high: 60, gap: [2]float64{1, 900},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.hex(12) + "._services._dns-sd._udp.local", Type: "PTR", Answer: 100}
		}},
	{name: "addresses asked backwards", source: "RFC 1035, 3.5", domains: 1, users: 300, low: 5, high: 400, gap: [2]float64{0.1, 900},
		make: func(q *question) detection.Query {
			return detection.Query{Name: q.address() + ".in-addr.arpa", Type: "PTR", Answer: 100, Missing: q.IntN(2) == 0}
		}},
}

// pickBy picks by what was drawn once for the device.
func pickBy(q *question, list ...string) string { return list[q.size%len(list)] }

// asking is a device's questions below a domain.
type asking struct {
	kind    *asker
	domain  string
	device  int
	queries []detection.Query
	score   float64
}

// newAsking makes a device's questions.
func newAsking(r *rand.Rand, k *asker, domain string, device int, words []string) *asking {
	a := &asking{kind: k, domain: domain, device: device}
	q := &question{Rand: r, words: words, size: r.IntN(100)}
	q.id = q.base32(16)
	at, gap := 8*hour*r.Float64(), logEven(r, k.gap[0], k.gap[1])
	for range int(logEven(r, k.low, k.high)) {
		v := k.make(q)
		if v.At = epoch + int64(at*1e9); !strings.HasSuffix(v.Name, ".local") && !strings.HasSuffix(v.Name, ".arpa") {
			v.Name = strings.TrimPrefix(v.Name+"."+domain, ".")
		}
		a.queries = append(a.queries, v)
		at += gap * r.ExpFloat64()
		q.n++
	}
	return a
}

// questions makes a site's day: benign lookups, and each of the tunnels by some
// devices. One in every of the devices asks.
func questions(seed uint64, each, every int) (list []*asking) {
	r := rand.New(rand.NewPCG(seed, 0x646e73))
	words := lines(wordsFile)
	n := 0
	for i := range askers {
		k := &askers[i]
		domains, users := k.domains, max(k.users/every, min(k.users, 40))
		if k.hostile {
			domains, users = each, 1
		}
		for range domains {
			n++
			for _, d := range r.Perm(fleetDevices)[:users] {
				list = append(list, newAsking(r, k, fmt.Sprintf("%s%d.com", words[n*7], n), d, words))
			}
		}
	}
	return list
}

// sessions are a device's questions as sessions with its resolver, of some each.
func (a *asking) sessions(yield func(*detection.Session)) {
	const some = 32
	for from := 0; from < len(a.queries); from += some {
		part := a.queries[from:min(from+some, len(a.queries))]
		s := &detection.Session{UID: session.UID{uint64(a.device)<<32 | uint64(from), 53}, App: "dns", State: "SF", Home: [2]bool{true, true}, Sheet: &detection.Sheet{Queries: part}}
		s.First, s.Last = part[0].At, part[len(part)-1].At
		s.Tuple = session.Tuple{Orig: device(a.device), Resp: device(2000), RespPort: 53, Proto: 17}
		yield(s)
	}
}

// measureTunnels runs the detector over sites, and sets scores.
func measureTunnels(seed uint64, sites, each, every int) (all []*asking) {
	for i := range sites {
		list := questions(seed+uint64(i), each, every)
		d := dnstunnel.New()
		var l detection.Ledger
		for _, a := range list {
			a.sessions(func(s *detection.Session) { d.Session(s, &l) })
		}
		d.Finish(&l)
		scores := make(map[string]float64)
		for _, f := range l.All() {
			scores[f.Key] = f.Score()
		}
		for _, a := range list {
			a.score = scores[device(a.device).String()+" "+a.domain]
		}
		all = append(all, list...)
	}
	return all
}
