package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// oracle is a fact that both programs read from a capture.
type oracle struct {
	name   string
	filter string // tshark display filter
	field  string // tshark field that holds it
	ours   func(r *rec) []string
	norm   func(string) string
}

// split separates the values tshark joins.
func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\x1f' })
}

var oracles = []oracle{
	{name: "SNI", filter: "tls.handshake.type==1 && !openvpn", field: "tls.handshake.extensions_server_name", ours: func(r *rec) []string { return one(r.ServerName, r.Record == "tls" || r.Record == "quic") }, norm: strings.ToLower},
	{name: "JA3", filter: "tls.handshake.type==1 && !openvpn", field: "tls.handshake.ja3", ours: func(r *rec) []string { return one(r.JA3, r.Record == "tls") }},
	{name: "JA3S", filter: "tls.handshake.type==2 && !openvpn", field: "tls.handshake.ja3s", ours: func(r *rec) []string { return one(r.JA3S, r.Record == "tls") }},
	{name: "HASSH", filter: "ssh.kex.hassh", field: "ssh.kex.hassh", ours: func(r *rec) []string { return one(r.HASSH, r.Record == "ssh") }},
	{name: "HASSH server", filter: "ssh.kex.hasshserver", field: "ssh.kex.hasshserver", ours: func(r *rec) []string { return one(r.HASSHServer, r.Record == "ssh") }},
	{name: "certificate serial", filter: "tls.handshake.type==11 && !openvpn", field: "x509af.serialNumber", ours: func(r *rec) []string { return one(r.Serial, r.Record == "x509") }, norm: serial},
	{name: "DNS query", filter: "dns.flags.response==0 && !mdns && !llmnr && !nbns && !icmp && !icmpv6 && !http && !http2 && !_ws.malformed", field: "dns.qry.name", ours: func(r *rec) []string { return one(r.Query, r.Record == "dns") }, norm: dnsName},
	{name: "DNS A answer", filter: "dns.flags.response==1 && dns.count.auth_rr==0 && dns.count.add_rr<=1 && !mdns && !llmnr && !nbns && !icmp && !icmpv6 && !http && !http2 && !_ws.malformed", field: "dns.a", ours: answers},
	{name: "DNS AAAA answer", filter: "dns.flags.response==1 && dns.count.auth_rr==0 && dns.count.add_rr<=1 && !mdns && !llmnr && !nbns && !icmp && !icmpv6 && !http && !http2 && !_ws.malformed", field: "dns.aaaa", ours: answers},
}

// judged are captures where the programs differ and tyto is right, or declines on
// purpose: by oracle, the end of the capture's name and why.
var judged = map[string]map[string]string{
	"DNS query": {
		"dns-forward-pointer/input.pcap":       "a compression pointer that points forward, which RFC 1035 section 4.1.4 forbids",
		"dns-invalid-opcode/input.pcap":        "no DNS operation",
		"dns-udp-junkrequest-first/input.pcap": "the session starts with junk",
		"dns-invalid-chars.pcap":               "control characters are written in another way",
		"dns-tunnel-iodine.pcap":               "names of arbitrary bytes are written in another way",
	},
	"DNS A answer": {
		"dns-udp-request-with-answer.pcap":     "an answer in a query",
		"dns-forward-pointer/input.pcap":       "as for DNS query",
		"dns-invalid-opcode/input.pcap":        "as for DNS query",
		"dns-udp-junkrequest-first/input.pcap": "as for DNS query",
		"dns-update.pcap":                      "an update has no answers",
		"dynamic-update.pcap":                  "an update has no answers",
		"DnsEdit.pcap":                         "an answer in a query",
	},
	"DNS AAAA answer": {"DnsEdit.pcap": "an answer in a query"},
	"HASSH":           {"reverse-ssh.pcap": "the SSH client is the TCP server: tshark goes by TCP, tyto by who is asked to log in", "kex-quadratic-1000.pcap.gz": "name lists longer than any real one are refused"},
	"HASSH server":    {"reverse-ssh.pcap": "as for HASSH", "kex-quadratic-1000.pcap.gz": "as for HASSH"},
	"JA3":             {"tls-duplicate-hello/input.pcap": "a second hello in one session: the first one is told", "tls_cipher_lens.pcap": "a hello whose lengths contradict each other"},
	"JA3S":            {"tls13_draft14.pcap": "a draft whose hello had another layout", "tls13_draft22.pcap": "a HelloRetryRequest is told by its own flag, the fingerprint is the second hello's", "hrr.pcap": "as for draft 22"},
}

func one(s string, ok bool) []string {
	if !ok || s == "" {
		return nil
	}
	return []string{s}
}

func answers(r *rec) []string {
	list, _ := r.Answers.([]any)
	if r.Record != "dns" {
		return nil
	}
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprint(a))
	}
	return out
}

// serial makes both programs' forms of a serial number equal.
func serial(s string) string {
	s = strings.ToUpper(strings.NewReplacer(":", "", "0x", "", "-", "").Replace(s))
	return strings.TrimLeft(s, "0")
}

func dnsName(s string) string {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if s == "<root>" {
		return ""
	}
	return s
}

// TestTshark compares what both programs read from every capture that holds any
// of it: each value tshark shows must be in tyto's records.
func TestTshark(t *testing.T) {
	dir := captures(t)
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip(err)
	}
	type count struct{ agreed, missed int }
	sums := make(map[string]*count)
	examples := make(map[string][]string)
	type question struct {
		name   string
		list   []oracle
		theirs chan [][]string
	}
	var questions []question
	for _, name := range files(t, dir) {
		kinds := relevant(name)
		if len(kinds) == 0 {
			continue
		}
		var list []oracle
		for _, o := range oracles {
			if slices.Contains(kinds, o.name[:3]) && strings.HasPrefix(o.name, os.Getenv("ORACLE")) {
				list = append(list, o)
			}
		}
		if len(list) == 0 {
			continue
		}
		questions = append(questions, question{name, list, make(chan [][]string, 1)})
	}
	// tshark takes half a second to start: ask several at once, ahead of need.
	slots := make(chan struct{}, runtime.GOMAXPROCS(0)+1)
	go func() {
		for _, q := range questions {
			slots <- struct{}{}
			go func() {
				q.theirs <- tshark(q.name, q.list)
				<-slots
			}()
		}
	}()
	for _, q := range questions {
		theirs := <-q.theirs
		name, list := q.name, q.list
		text, _, err := analyze(name)
		if err != nil && len(text) == 0 {
			continue
		}
		recs := records(t, text)
		for i, o := range list {
			norm := o.norm
			if norm == nil {
				norm = func(s string) string { return s }
			}
			have := make(map[string]bool)
			for k := range recs {
				for _, v := range o.ours(&recs[k]) {
					have[norm(v)] = true
				}
			}
			if sums[o.name] == nil {
				sums[o.name] = new(count)
			}
			seen := make(map[string]bool)
			for _, v := range theirs[i] {
				v = norm(v)
				if v == "" || seen[v] {
					continue
				}
				seen[v] = true
				if have[v] {
					sums[o.name].agreed++
					continue
				}
				if why := judgement(o.name, name); why != "" {
					t.Logf("%s: %s differs, judged: %s", o.name, strings.TrimPrefix(name, dir+"/"), why)
					continue
				}
				sums[o.name].missed++
				examples[o.name] = append(examples[o.name], strings.TrimPrefix(name, dir+"/")+" "+v)
			}
		}
	}
	for _, o := range oracles {
		c := sums[o.name]
		if c == nil || c.agreed+c.missed == 0 {
			continue
		}
		rate := 100 * float64(c.agreed) / float64(c.agreed+c.missed)
		t.Logf("%s: %d of %d values agree with tshark: %.2f %%", o.name, c.agreed, c.agreed+c.missed, rate)
		for _, e := range examples[o.name][:min(20, len(examples[o.name]))] {
			t.Logf("    not in tyto's records: %s", e)
		}
		if rate < 97 {
			t.Errorf("%s: %.2f %% agree, want at least 97 %%", o.name, rate)
		}
	}
}

func judgement(oracle, name string) string {
	for end, why := range judged[oracle] {
		if strings.HasSuffix(name, end) {
			return why
		}
	}
	return ""
}

// relevant says which oracles are asked about a capture: tshark takes half a
// second a file, and most captures hold nothing of interest here.
func relevant(name string) []string {
	lower := strings.ToLower(name)
	var kinds []string
	for _, k := range [...]struct{ part, kinds string }{
		{"tls", "SNI JA3 cer"}, {"ssl", "SNI JA3 cer"}, {"https", "SNI JA3 cer"}, {"quic", "SNI"}, {"x509", "SNI JA3 cer"}, {"ja3", "SNI JA3 cer"}, {"cert", "SNI JA3 cer"},
		{"ssh", "HAS"}, {"hassh", "HAS"}, {"dns", "DNS"}, {"1kxun", "DNS SNI JA3 cer"}, {"facebook", "SNI JA3 cer DNS"}, {"mercury", "SNI JA3"},
	} {
		if strings.Contains(lower, k.part) {
			kinds = append(kinds, strings.Fields(k.kinds)...)
		}
	}
	return kinds
}

// tshark returns the values of each oracle's field in a capture.
func tshark(name string, list []oracle) [][]string {
	args := []string{"-n", "-r", name, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=\x1f", "-o", "tcp.desegment_tcp_streams:true"}
	var filters []string
	for _, o := range list {
		args = append(args, "-e", o.field)
		if !slices.Contains(filters, "("+o.filter+")") {
			filters = append(filters, "("+o.filter+")")
		}
	}
	args = append(args, "-Y", strings.Join(filters, " || "))
	out, _ := exec.Command("tshark", args...).Output() // what it printed before it failed counts
	res := make([][]string, len(list))
	for line := range strings.Lines(string(out)) {
		for i, col := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			if i < len(list) {
				res[i] = append(res[i], split(col)...)
			}
		}
	}
	return res
}
