package sensor

import (
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// SessionSchema describes session records, Zeek's conn.log.
var SessionSchema = record.New("session", "conn", "A two-way conversation between two end points.",
	record.Field{Name: "proto", Type: record.Enum, Doc: "Transport: tcp, udp, icmp, sctp, or the name or number of the IP protocol."},
	record.Field{Name: "service", Type: record.String, Doc: "Protocols found in the session, in Zeek's names, separated by commas."},
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time from the first to the last packet."},
	record.Field{Name: "orig_bytes", Type: record.Count, Doc: "Payload bytes the originator sent; from sequence numbers for TCP."},
	record.Field{Name: "resp_bytes", Type: record.Count, Doc: "Payload bytes the responder sent."},
	record.Field{Name: "conn_state", Type: record.String, Doc: "How the session went, as Zeek's conn_state."},
	record.Field{Name: "local_orig", Type: record.Bool, Doc: "Whether the originator is in a home network."},
	record.Field{Name: "local_resp", Type: record.Bool, Doc: "Whether the responder is in a home network."},
	record.Field{Name: "missed_bytes", Type: record.Count, Doc: "Stream bytes the capture does not hold."},
	record.Field{Name: "history", Type: record.String, Doc: "What happened in which order, in Zeek's letters: upper case by the originator."},
	record.Field{Name: "orig_pkts", Type: record.Count, Doc: "Packets of the originator."},
	record.Field{Name: "orig_ip_bytes", Type: record.Count, Doc: "IP bytes of the originator, headers included."},
	record.Field{Name: "resp_pkts", Type: record.Count, Doc: "Packets of the responder."},
	record.Field{Name: "resp_ip_bytes", Type: record.Count, Doc: "IP bytes of the responder, headers included."},
	record.Field{Name: "tunnel_parents", Type: record.Set, Doc: "Identifier of the session of the tunnel it came out of."},
	record.Field{Name: "ip_proto", Type: record.Count, Doc: "IP protocol number."},
	record.Field{Name: "community_id", Type: record.String, Doc: "Community ID version 1 with seed 0."},
	record.Field{Name: "app", Type: record.String, Doc: "What the session is, whatever the port: the most specific name known, or unknown. A session that stays unknown is named as another session announced it (ftp-data)."},
	record.Field{Name: "app_p", Type: record.Double, Doc: "Probability that app is right; not given for unknown."},
	record.Field{Name: "layers", Type: record.Count, Doc: "How many tunnels: those it came out of, and one if another connection was heard inside it."},
	record.Field{Name: "labels", Type: record.String, Doc: "List of {name, p}: what the session is about, as it is heard or as protocols prove in the clear; names of docs/labels.md, the likeliest first."},
	record.Field{Name: "control", Type: record.Enum, Doc: "Who leads, whose messages make the other side act: orig, resp, both or none; heard."},
	record.Field{Name: "control_p", Type: record.Double, Doc: "Probability that control is right."},
	record.Field{Name: "encrypted", Type: record.Bool, Doc: "Whether the content cannot be read."},
	record.Field{Name: "domain", Type: record.String, Doc: "Name the responder was reached by."},
	record.Field{Name: "domain_source", Type: record.Enum, Doc: "Where the name is from: sni, http, cert, or dns (resolved by the originator, else by any client before)."},
	record.Field{Name: "vlan", Type: record.Int, Doc: "Outer VLAN identifier."},
	record.Field{Name: "inner_vlan", Type: record.Int, Doc: "Inner VLAN identifier."},
	record.Field{Name: "orig_l2_addr", Type: record.String, Doc: "Link-layer address of the originator's packets."},
	record.Field{Name: "resp_l2_addr", Type: record.String, Doc: "Link-layer address of the responder's packets."},
	record.Field{Name: "notes", Type: record.Set, Doc: "What to know about the record: mid_session, roles_guessed, cut (snap length), shed (memory budget)."},
)

// AnomalySchema describes anomaly records, Zeek's weird.log.
var AnomalySchema = record.New("anomaly", "weird", "Something in the traffic that should not be.",
	record.Field{Name: "name", Type: record.String, Doc: "What it is, in Zeek's name where there is one."},
	record.Field{Name: "addl", Type: record.String, Doc: "What exactly."},
	record.Field{Name: "notice", Type: record.Bool, Doc: "Whether it also became a notice; always false."},
	record.Field{Name: "peer", Type: record.String, Doc: "Where it was seen; always tyto."},
	record.Field{Name: "source", Type: record.String, Doc: "Protocol that noticed."},
)

// NoticeSchema describes what an analyst may want to look at, Zeek's notice.log.
var NoticeSchema = record.New("notice", "notice", "Something an analyst may want to look at; in the logs only, until detections say it.",
	record.Field{Name: "note", Type: record.Enum, Doc: "Kind: Cleartext_Credential, Login_Failed, Certificate or Tunnel."},
	record.Field{Name: "msg", Type: record.String, Doc: "What it is, in words."},
	record.Field{Name: "sub", Type: record.String, Doc: "The account, method or fault."},
	record.Field{Name: "src", Type: record.Addr, Doc: "Originator."},
	record.Field{Name: "dst", Type: record.Addr, Doc: "Responder."},
	record.Field{Name: "p", Type: record.Port, Doc: "Port of the responder."},
)

// StatsSchema describes the last record of an analysis: what was read and what
// was lost.
var StatsSchema = record.New("stats", "", "What was read, and what was lost on the way: the last record.",
	record.Field{Name: "ts", Type: record.Time, Doc: "Time of the last packet."},
	record.Field{Name: "first", Type: record.Time, Doc: "Time of the first packet."},
	record.Field{Name: "packets", Type: record.Count, Doc: "Frames read."},
	record.Field{Name: "bytes", Type: record.Count, Doc: "Their bytes on the wire."},
	record.Field{Name: "sessions", Type: record.Count, Doc: "Sessions told."},
	record.Field{Name: "records", Type: record.Count, Doc: "Protocol records told."},
	record.Field{Name: "anomalies", Type: record.Count, Doc: "Anomaly records told."},
	record.Field{Name: "undecoded", Type: record.Count, Doc: "Frames without an IP or ARP header that could be read."},
	record.Field{Name: "flawed", Type: record.Count, Doc: "Frames with a flaw in a header."},
	record.Field{Name: "fragments", Type: record.Count, Doc: "IP fragments seen."},
	record.Field{Name: "fragments_lost", Type: record.Count, Doc: "Fragments that never became a datagram."},
	record.Field{Name: "gaps", Type: record.Count, Doc: "Holes in streams."},
	record.Field{Name: "gap_bytes", Type: record.Count, Doc: "Bytes in these holes."},
	record.Field{Name: "shed_sessions", Type: record.Count, Doc: "Sessions ended early to keep the memory budget."},
	record.Field{Name: "shed_streams", Type: record.Count, Doc: "Out-of-order segments given up to keep the memory budget."},
	record.Field{Name: "shed_series", Type: record.Count, Doc: "Packets left out of message series."},
	record.Field{Name: "shed_records", Type: record.Count, Doc: "Anomalies not told because a session had too many."},
	record.Field{Name: "faults", Type: record.Count, Doc: "Analyzers stopped by a mistake of tyto's own; please report it."},
	record.Field{Name: "peak_sessions", Type: record.Count, Doc: "Most sessions followed at once."},
)

// appendEnds writes the fields of record.Identity after the time.
func appendEnds(e *record.Encoder, s *session.Session) {
	var b [64]byte
	e.Raw(s.UID.AppendTo(b[:0]))
	appendAddr(e, s.Orig)
	e.Uint(uint64(s.OrigPort))
	appendAddr(e, s.Resp)
	e.Uint(uint64(s.RespPort))
}

func appendAddr(e *record.Encoder, a packet.Addr) {
	var b [48]byte
	e.Raw(a.AppendTo(b[:0]))
}

// appendSession writes the fields of SessionSchema.
func (l *lane) appendSession(e *record.Encoder, s *session.Session, f *protocol.Flow) {
	set := l.set
	o, r := &s.Sides[session.Orig], &s.Sides[session.Resp]
	switch s.Proto {
	case packet.ProtoTCP:
		e.Str("tcp")
	case packet.ProtoUDP:
		e.Str("udp")
	default:
		if name := packet.ProtoName(s.Proto); name != "" {
			e.Str(name)
		} else {
			e.Str("unknown_transport")
		}
	}
	l.scratch = l.scratch[:0]
	for _, i := range s.Services {
		if i == 0 {
			break
		}
		if len(l.scratch) > 0 {
			l.scratch = append(l.scratch, ',')
		}
		l.scratch = append(l.scratch, set.ServiceName(i)...)
	}
	lacking := nameable(s)
	if lacking {
		l.lack(e, s, serviceHole)
	}
	e.Bytes(l.scratch)
	e.Interval(s.Duration())
	e.Uint(o.Bytes)
	e.Uint(r.Bytes)
	e.Str(s.State.String())
	e.Bool(l.home.has(s.Orig))
	e.Bool(l.home.has(s.Resp))
	e.Uint(o.Missed + r.Missed)
	e.Bytes(s.History.Bytes())
	e.Uint(o.Packets)
	e.Uint(o.IPBytes)
	e.Uint(r.Packets)
	e.Uint(r.IPBytes)
	if s.Parent.IsZero() {
		e.Strs(nil)
	} else {
		e.Strs([]string{s.Parent.String()})
	}
	e.Uint(uint64(s.Proto))
	l.scratch = s.Tuple.AppendCommunityID(l.scratch[:0])
	e.Raw(l.scratch)
	heard := l.heardOf()
	byEar := s.App == protocol.Unknown && heard != nil && heard.AppP >= heardApp
	switch {
	case byEar:
		e.Str(heard.App)
	default:
		if lacking {
			l.lack(e, s, appHole)
		}
		e.Str(set.AppName(s.App))
	}
	domain, source := "", ""
	if f != nil {
		domain, source = f.Domain()
	}
	switch {
	case byEar:
		e.Float(heard.AppP)
	case s.App == protocol.Unknown:
		e.Unset()
	case s.Flags&session.Guessed == 0:
		e.Float(1)
	default:
		e.Float(0.8)
	}
	e.Uint(l.layers(s))
	l.appendHeard(e)
	e.Bool(s.Flags&session.Encrypted != 0)
	if domain == "" && !s.Resp.IsMulticast() {
		l.lack(e, s, domainHole)
	}
	e.Str(domain)
	e.Str(source)
	appendVLAN(e, s.VLAN)
	appendVLAN(e, s.InnerVLAN)
	for _, m := range s.MACs {
		if m.IsZero() {
			e.Unset()
			continue
		}
		var b [20]byte
		e.Raw(m.AppendTo(b[:0]))
	}
	e.Strs(notes(s.Flags))
}

// lack notes that the next fields are the writer's to fill if it can.
func (l *lane) lack(e *record.Encoder, s *session.Session, kind holeKind) {
	l.open = append(l.open, hole{s.Tuple, s.First, s.Last, uint32(len(e.Buf)), kind})
}

func appendVLAN(e *record.Encoder, id uint16) {
	if id == 0 {
		e.Unset()
		return
	}
	e.Int(int64(id))
}

// notes names the flags that matter to a reader.
func notes(f session.Flags) []string {
	const told = session.MidSession | session.RolesGuess | session.Cut | session.Shed
	if f&told == 0 {
		return nil
	}
	var list []string
	for _, n := range [...]struct {
		flag session.Flags
		name string
	}{{session.MidSession, "mid_session"}, {session.RolesGuess, "roles_guessed"}, {session.Cut, "cut"}, {session.Shed, "shed"}} {
		if f&n.flag != 0 {
			list = append(list, n.name)
		}
	}
	return list
}
