package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"tyto/store"
)

// The network that is made up.
const (
	hosts   = 2_000
	servers = 20_000
	names   = 30_000
	start   = int64(1_700_006_400_000_000_000) // midnight
)

// generator makes rows that are the same in every run.
type generator struct {
	kinds   *store.Kinds
	step    int64 // between sessions, ns
	host    []string
	server  []string
	macs    []string
	domains []string
	rng     *rand.Rand
	zipf    *rand.Zipf // popularity of servers
	columns map[string]map[string]int
}

var (
	apps      = []string{"dns", "tls", "tls", "tls", "http", "ssh", "smb", "ntp", "kerberos", "unknown", "quic", "dns"}
	ports     = map[string]int64{"dns": 53, "tls": 443, "http": 80, "ssh": 22, "smb": 445, "ntp": 123, "kerberos": 88, "unknown": 4444, "quic": 443}
	states    = []string{"SF", "SF", "SF", "SF", "SF", "S0", "RSTO", "S1", "REJ"}
	histories = []string{"ShADadFf", "ShADadfF", "Dd", "S", "ShADadR", "Sr", "ShADadFfR", "ShADdaFf"}
)

func newGenerator(kinds *store.Kinds, days, rows int) *generator {
	g := &generator{kinds: kinds, step: int64(days) * 86_400e9 / int64(rows), rng: rand.New(rand.NewPCG(1, 2)), columns: make(map[string]map[string]int)}
	g.zipf = rand.NewZipf(g.rng, 1.2, 8, servers-1)
	for i := range hosts {
		g.host = append(g.host, fmt.Sprintf("10.%d.%d.%d", i%8, i/8%250, 1+i/2000))
		g.macs = append(g.macs, fmt.Sprintf("02:20:00:%02x:%02x:%02x", i>>16, i>>8&255, i&255))
	}
	for i := range servers {
		g.server = append(g.server, fmt.Sprintf("%d.%d.%d.%d", 23+i%150, i*7%251, i*13%253, 1+i%250))
	}
	for i := range names {
		g.domains = append(g.domains, fmt.Sprintf("%s%d.%s.example", []string{"www", "cdn-", "api", "edge-", "mail"}[i%5], i%97, []string{"corp", "shop", "news", "cloud", "video", "social"}[i/5%6]+fmt.Sprint(i/600)))
	}
	return g
}

// row is a row that is being filled.
type row struct {
	b       *store.Batch
	columns map[string]int
}

func (g *generator) row(b *store.Batch) row {
	c := g.columns[b.Kind]
	if c == nil {
		c = make(map[string]int)
		for i, f := range b.Fields {
			c[f.Name] = i
		}
		g.columns[b.Kind] = c
	}
	return row{b, c}
}

func (r row) text(field, v string) {
	if v != "" {
		r.b.Columns[r.columns[field]].AppendText(v)
	}
}
func (r row) int(field string, v int64)     { r.b.Columns[r.columns[field]].AppendInt(v) }
func (r row) float(field string, v float64) { r.b.Columns[r.columns[field]].AppendFloat(v) }

func (r row) bool(field string, v bool) {
	if v {
		r.int(field, 1)
		return
	}
	r.int(field, 0)
}

// identity is who talks to whom.
type identity struct {
	ts                 int64
	uid, orig, resp    string
	origPort, respPort int64
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func (g *generator) uid() string {
	var b [18]byte
	b[0] = 'C'
	for i := 1; i < len(b); i++ {
		b[i] = digits[g.rng.IntN(62)]
	}
	return string(b[:])
}

func (g *generator) identity(at int64, port int64) identity {
	return identity{at + g.rng.Int64N(1_000_000)*1000, g.uid(), g.host[g.rng.IntN(hosts)], g.server[g.zipf.Uint64()], 32768 + g.rng.Int64N(28000), port}
}

func (r row) identity(x identity) {
	r.int("ts", x.ts)
	r.text("uid", x.uid)
	r.text("id.orig_h", x.orig)
	r.int("id.orig_p", x.origPort)
	r.text("id.resp_h", x.resp)
	r.int("id.resp_p", x.respPort)
}

// heavy is a size as sizes are: most are small.
func (g *generator) heavy(median float64) int64 {
	return int64(median * math.Exp(1.5*g.rng.NormFloat64()))
}

// sessions fills a batch with sessions from the n-th on.
func (g *generator) sessions(b *store.Batch, from, n int) {
	r := g.row(b)
	for i := from; i < from+n; i++ {
		app := apps[g.rng.IntN(len(apps))]
		inside := app == "smb" || app == "kerberos" || app == "dns"
		x := g.identity(start+int64(i)*g.step, ports[app])
		host := g.rng.IntN(hosts)
		x.orig = g.host[host]
		if inside {
			x.resp = g.host[g.rng.IntN(20)]
		}
		r.identity(x)
		r.traffic(g, app, inside)
		var id [20]byte
		for j := 0; j < 20; j += 4 {
			binary.LittleEndian.PutUint32(id[j:], g.rng.Uint32())
		}
		r.text("community_id", "1:"+base64.StdEncoding.EncodeToString(id[:]))
		r.text("orig_l2_addr", g.macs[host])
		r.text("resp_l2_addr", g.macs[0])
		b.EndRow()
	}
}

// traffic fills what a session record says of its packets.
func (r row) traffic(g *generator, app string, inside bool) {
	proto, number := "tcp", int64(6)
	if app == "dns" || app == "ntp" || app == "quic" {
		proto, number = "udp", 17
	}
	orig, resp := g.heavy(800), g.heavy(3000)
	state := states[g.rng.IntN(len(states))]
	r.text("proto", proto)
	r.int("ip_proto", number)
	if app != "unknown" {
		r.text("service", app)
		r.float("app_p", 1)
	}
	r.text("app", app)
	r.int("duration", g.heavy(200_000)*1000)
	r.int("orig_bytes", orig)
	r.int("resp_bytes", resp)
	r.text("conn_state", state)
	r.bool("local_orig", true)
	r.bool("local_resp", inside)
	r.int("missed_bytes", 0)
	r.text("history", histories[g.rng.IntN(len(histories))])
	op, rp := 2+orig/900, 2+resp/1300
	r.int("orig_pkts", op)
	r.int("orig_ip_bytes", orig+40*op)
	r.int("resp_pkts", rp)
	r.int("resp_ip_bytes", resp+40*rp)
	r.int("layers", 0)
	r.bool("encrypted", app == "tls" || app == "ssh" || app == "quic")
	if app == "tls" || app == "quic" || app == "http" {
		r.text("domain", g.domains[int(g.zipf.Uint64())*3%names])
		r.text("domain_source", "sni")
	}
}

// appendRecords appends records of the protocols that hunts ask for, and
// entities.
func appendRecords(s store.Store, kinds *store.Kinds, sessions, days int) error {
	for _, k := range []struct {
		kind string
		rows int
		fill func(*generator, row)
	}{
		{"dns", sessions / 6, (*generator).dns}, {"tls", sessions / 4, (*generator).tls}, {"http", sessions / 12, (*generator).http},
		{"kerberos", sessions / 50, (*generator).kerberos}, {"ssh", sessions / 100, (*generator).ssh}, {"dce_rpc", sessions / 100, (*generator).rpc},
		{"smb_files", sessions / 100, (*generator).files}, {"ldap_search", sessions / 200, (*generator).ldap}, {"rdp", sessions / 1000, (*generator).rdp},
	} {
		g := newGenerator(kinds, days, max(k.rows, 1))
		b := store.NewBatch(kinds.Find(k.kind))
		for i := range k.rows {
			r := g.row(b)
			r.identity(g.identity(start+int64(i)*g.step, ports[k.kind]))
			k.fill(g, r)
			b.EndRow()
			if b.Rows == store.LoadRows || i == k.rows-1 {
				if err := s.Append(context.Background(), b); err != nil {
					return err
				}
				b.Reset()
			}
		}
	}
	return appendEntities(s, kinds)
}

func (g *generator) dns(r row) {
	r.text("query", g.domains[g.rng.IntN(names)])
	r.text("qtype_name", []string{"A", "AAAA", "TXT", "HTTPS"}[g.rng.IntN(4)])
	r.text("rcode_name", []string{"NOERROR", "NOERROR", "NOERROR", "NXDOMAIN"}[g.rng.IntN(4)])
}

func (g *generator) tls(r row) {
	r.text("version", []string{"TLSv13", "TLSv12", "TLSv12", "TLSv10"}[g.rng.IntN(4)])
	r.bool("established", g.rng.IntN(10) > 0)
	r.text("server_name", g.domains[g.rng.IntN(names)])
	r.text("ja4", fmt.Sprintf("t13d1516h2_8daaf6152771_%012x", g.zipf.Uint64()%400))
	issuer := fmt.Sprintf("CN=CA %d", g.rng.IntN(50))
	r.text("issuer", issuer)
	r.text("subject", fmt.Sprintf("CN=CA %d", g.rng.IntN(5000)))
}

func (g *generator) http(r row) {
	r.text("method", "GET")
	r.text("host", g.domains[g.rng.IntN(names)])
	r.text("uri", fmt.Sprintf("/path/%d", g.rng.IntN(100000)))
	r.int("status_code", []int64{200, 200, 304, 404}[g.rng.IntN(4)])
	if g.rng.IntN(1000) == 0 {
		r.text("username", fmt.Sprintf("user%d", g.rng.IntN(100)))
	}
}

func (g *generator) kerberos(r row) {
	r.text("request_type", []string{"AS", "TGS", "TGS"}[g.rng.IntN(3)])
	r.text("client", fmt.Sprintf("user%d/CORP", g.rng.IntN(3000)))
	r.text("service", fmt.Sprintf("cifs/srv%d", g.rng.IntN(200)))
	r.bool("success", g.rng.IntN(20) > 0)
	r.text("error_msg", []string{"", "KDC_ERR_PREAUTH_FAILED"}[g.rng.IntN(2)])
	r.text("cipher", []string{"aes256-cts-hmac-sha1-96", "rc4-hmac"}[g.rng.IntN(20)/19])
}

func (g *generator) ssh(r row) {
	r.bool("auth_success", g.rng.IntN(5) > 0)
	r.int("auth_attempts", 1+g.rng.Int64N(3))
}

func (g *generator) rpc(r row) {
	r.text("endpoint", []string{"srvsvc", "lsarpc", "samr", "svcctl", "drsuapi"}[g.rng.IntN(5)])
	r.text("operation", []string{"NetrShareEnum", "LsarLookupNames", "CreateServiceW", "DRSCrackNames"}[g.rng.IntN(4)])
}

func (g *generator) files(r row) {
	r.text("action", []string{"SMB::FILE_OPEN", "SMB::FILE_READ", "SMB::FILE_WRITE"}[g.rng.IntN(3)])
	r.text("name", fmt.Sprintf("documents\\%d.docx", g.rng.IntN(100000)))
}

func (g *generator) ldap(r row) {
	r.text("scope", []string{"base", "tree"}[g.rng.IntN(2)])
	r.text("filter", fmt.Sprintf("(mail=user%d@corp.example)", g.rng.IntN(3000)))
	r.int("result_count", g.rng.Int64N(3))
}

func (g *generator) rdp(r row) { r.text("cookie", fmt.Sprintf("user%d", g.rng.IntN(3000))) }

// appendEntities appends the devices, domains and services, and relations
// between them.
func appendEntities(s store.Store, kinds *store.Kinds) error {
	g := newGenerator(kinds, 1, 1)
	entities, relations := store.NewBatch(kinds.Find("entity")), store.NewBatch(kinds.Find("relation"))
	add := func(kind, name, role, addr, device string) {
		r := g.row(entities)
		r.int("ts", start+g.rng.Int64N(6*86_400e9))
		r.int("last_seen", start+6*86_400e9)
		r.text("id", kind+":"+name)
		r.text("kind", kind)
		r.text("name", name)
		r.text("role", role)
		r.text("addr", addr)
		r.text("device", device)
		entities.EndRow()
	}
	relate := func(kind, from, to, device string) {
		r := g.row(relations)
		r.int("ts", start+g.rng.Int64N(6*86_400e9))
		r.int("last_seen", start+6*86_400e9)
		r.text("relation", kind)
		r.text("from", from)
		r.text("to", to)
		r.text("from_device", device)
		relations.EndRow()
	}
	for i, h := range g.host {
		device := fmt.Sprintf("device:host-%d", i)
		add("device", fmt.Sprintf("host-%d", i), []string{"workstation", "workstation", "workstation", "server"}[i%4], "", "")
		add("address", h, "", h, device)
		if i%4 == 3 {
			add("service", h+":445/tcp", "", "", "")
			relate("offers", "address:"+h, "service:"+h+":445/tcp", device)
		}
		for range 100 {
			relate("reached", "address:"+h, "domain:"+g.domains[int(g.zipf.Uint64())*3%names], device)
		}
	}
	for _, d := range g.domains {
		add("domain", d, "", "", "")
	}
	return s.Append(context.Background(), entities, relations)
}
