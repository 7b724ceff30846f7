package sigma

import (
	"fmt"
	"strconv"
	"strings"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// sessionKind is the kind of records that tell sessions, Zeek's conn.
const sessionKind = "session"

// kindOf returns the kind of records that a log source is about, or says why there
// is none.
func (s *Set) kindOf(product, category, service string) (kind, reason string) {
	switch product {
	case "zeek", "network", "":
	default:
		return "", "product " + product + ": we have what crosses the network"
	}
	switch service {
	case "":
	case "conn":
		return sessionKind, ""
	case "ssl", "tls":
		return "tls", ""
	default:
		for kind, x := range s.schemas {
			if !tytoKinds[kind] && (x.Log == service || kind == service) {
				return kind, ""
			}
		}
		return "", "service " + service + ": there are no such records"
	}
	switch category {
	case "dns":
		return "dns", ""
	case "proxy", "webserver":
		return "http", ""
	case "firewall", "network_connection", "flow":
		return sessionKind, ""
	case "":
		return "", "log source without service and category"
	}
	return "", "category " + category + ": there are no such records"
}

// tytoKinds are records that no protocol tells.
var tytoKinds = map[string]bool{"session": true, "anomaly": true, "notice": true, "stats": true, "entity": true, "relation": true, "segment": true, "detection": true, "case": true, "series": true}

// aliases are other names of fields: of Sigma's generic categories, of Sysmon's
// network connections, of ECS.
var aliases = map[string]map[string]string{
	"dns": {"queryname": "query", "dns.question.name": "query", "record_type": "qtype_name", "answer": "answers", "parent_domain": "query", "rcode": "rcode"},
	"http": {
		"c-uri": "uri", "cs-uri": "uri", "c-uri-stem": "uri", "cs-uri-stem": "uri", "c-uri-query": "uri", "cs-uri-query": "uri", "cs-host": "host", "r-dns": "host", "c-useragent": "user_agent", "cs-user-agent": "user_agent",
		"cs-method": "method", "sc-status": "status_code", "cs-referrer": "referrer", "cs-referer": "referrer", "useragent": "user_agent",
		"c-ip": "id.orig_h", "dst_ip": "id.resp_h", "src_ip": "id.orig_h", "resource.url": "uri",
	},
	sessionKind: {
		"src_ip": "id.orig_h", "dst_ip": "id.resp_h", "src_port": "id.orig_p", "dst_port": "id.resp_p", "sourceip": "id.orig_h", "destinationip": "id.resp_h", "sourceport": "id.orig_p", "destinationport": "id.resp_p",
		"destinationhostname": "domain", "protocol": "proto", "dst": "id.resp_h", "src": "id.orig_h", "dest_ip": "id.resp_h", "dest_port": "id.resp_p",
	},
	"tls": {"sni": "server_name", "server_name": "server_name"},
	"rdp": {"client_name": "client_name"},
}

// fieldNamed returns the place of a field by the name that a rule has for it.
func (s *Set) fieldNamed(src *source, name string) int {
	if i := s.field(src, name); i >= 0 {
		return i
	}
	if alias := aliases[src.kind][strings.ToLower(name)]; alias != "" {
		return s.field(src, alias)
	}
	switch strings.ToLower(name) {
	case "src_ip", "source.ip", "sourceip":
		return s.field(src, "id.orig_h")
	case "dst_ip", "dest_ip", "destination.ip", "destinationip":
		return s.field(src, "id.resp_h")
	case "dst_port", "dest_port", "destination.port", "destinationport":
		return s.field(src, "id.resp_p")
	case "src_port", "source.port", "sourceport":
		return s.field(src, "id.orig_p")
	}
	return -1
}

// sessionFields are the fields of sessions, as records have them; those that
// begin with id. and uid are of all records.
var sessionFields = map[string]func(*detection.Session, []byte) []byte{
	"uid":          func(s *detection.Session, b []byte) []byte { return s.UID.AppendTo(b) },
	"id.orig_h":    func(s *detection.Session, b []byte) []byte { return s.Orig.AppendTo(b) },
	"id.resp_h":    func(s *detection.Session, b []byte) []byte { return s.Resp.AppendTo(b) },
	"id.orig_p":    func(s *detection.Session, b []byte) []byte { return strconv.AppendUint(b, uint64(s.OrigPort), 10) },
	"id.resp_p":    func(s *detection.Session, b []byte) []byte { return strconv.AppendUint(b, uint64(s.RespPort), 10) },
	"proto":        func(s *detection.Session, b []byte) []byte { return append(b, protocol(s.Proto)...) },
	"app":          func(s *detection.Session, b []byte) []byte { return append(b, s.App...) },
	"service":      func(s *detection.Session, b []byte) []byte { return append(b, service(s.App)...) },
	"conn_state":   func(s *detection.Session, b []byte) []byte { return append(b, s.State...) },
	"domain":       func(s *detection.Session, b []byte) []byte { return append(b, s.Domain...) },
	"orig_bytes":   func(s *detection.Session, b []byte) []byte { return strconv.AppendUint(b, s.Bytes[0], 10) },
	"resp_bytes":   func(s *detection.Session, b []byte) []byte { return strconv.AppendUint(b, s.Bytes[1], 10) },
	"orig_pkts":    func(s *detection.Session, b []byte) []byte { return strconv.AppendUint(b, s.Packets[0], 10) },
	"resp_pkts":    func(s *detection.Session, b []byte) []byte { return strconv.AppendUint(b, s.Packets[1], 10) },
	"local_orig":   func(s *detection.Session, b []byte) []byte { return strconv.AppendBool(b, s.Home[session.Orig]) },
	"local_resp":   func(s *detection.Session, b []byte) []byte { return strconv.AppendBool(b, s.Home[session.Resp]) },
	"duration":     func(s *detection.Session, b []byte) []byte { return fmt.Appendf(b, "%.6f", float64(s.Duration())/1e9) },
	"community_id": func(s *detection.Session, b []byte) []byte { return s.Tuple.AppendCommunityID(b) },
}

// protocol is the name of an IP protocol in records, its number if it has none.
func protocol(p uint8) string {
	if name := packet.ProtoName(p); name != "" {
		return name
	}
	return strconv.Itoa(int(p))
}

// service returns Zeek's name of an app where it is another.
func service(app string) string {
	switch app {
	case "tls":
		return "ssl"
	case "unknown":
		return ""
	}
	return app
}
