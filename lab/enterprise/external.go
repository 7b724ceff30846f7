package enterprise

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// maxLine is how long a line of a data set may be, in bytes.
const maxLine = 1 << 20

// maxComputers is how many computers of a data set get addresses.
const maxComputers = 1 << 22

// Loader reads data sets of others into the stream that Simulate tells. Computers
// that are known by name only get addresses of 10.0.0.0/8 in the order in which they
// are first named.
type Loader struct {
	Skipped uint64 // lines that are no sessions between two computers

	names  map[string]packet.Addr
	serial uint64
}

// computer returns the address of a name; false if there are too many.
func (l *Loader) computer(name string) (packet.Addr, bool) {
	if a, ok := l.names[name]; ok {
		return a, true
	}
	if l.names == nil {
		l.names = make(map[string]packet.Addr)
	}
	n := len(l.names) + 1
	if n >= maxComputers {
		return packet.Addr{}, false
	}
	a := packet.Addr4([]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	l.names[strings.Clone(name)] = a
	return a, true
}

// session returns a session with an identifier.
func (l *Loader) session(at int64, from, to packet.Addr) *detection.Session {
	l.serial++
	s := &detection.Session{UID: session.UID{1, l.serial}, First: at, Last: at, State: "SF", Bytes: [2]uint64{1000, 1000}, Packets: [2]uint64{8, 8}, Home: [2]bool{true, true}}
	s.Tuple = session.Tuple{Orig: from, Resp: to, Proto: packet.ProtoTCP}
	return s
}

// red is a login of LANL's red team.
type red struct{ second, user, from, to string }

// LANL reads logins of the data set "Comprehensive, Multi-Source Cyber-Security
// Events" of Los Alamos National Laboratory (Kent 2015): auth.txt, and redteam.txt,
// which may be nil. Logins of the red team have campaign 1. Seconds count from the
// beginning of 1970. Logins of a computer on itself and logoffs are skipped.
func (l *Loader) LANL(auth, redteam io.Reader, tell func(*detection.Session, Tag)) error {
	bad := make(map[red]bool)
	if redteam != nil {
		err := lines(redteam, func(text string) error {
			p := strings.Split(text, ",")
			if len(p) != 4 {
				return fmt.Errorf("got %d fields, want 4 of redteam.txt (time, user, source, destination)", len(p))
			}
			bad[red{p[0], p[1], p[2], p[3]}] = true
			return nil
		})
		if err != nil {
			return fmt.Errorf("redteam.txt: %w", err)
		}
	}
	err := lines(auth, func(text string) error {
		p := strings.Split(text, ",")
		if len(p) != 9 {
			return fmt.Errorf("got %d fields, want 9 of auth.txt", len(p))
		}
		seconds, err := strconv.ParseInt(p[0], 10, 40)
		if err != nil || seconds < 0 {
			return fmt.Errorf("time %.20q: it must be seconds", p[0])
		}
		if p[3] == p[4] || p[7] != "LogOn" && p[7] != "TGS" && p[7] != "TGT" {
			l.Skipped++
			return nil
		}
		from, ok := l.computer(p[3])
		to, room := l.computer(p[4])
		if !ok || !room {
			l.Skipped++
			return nil
		}
		s := l.session(seconds*second, from, to)
		s.App, s.RespPort = "smb", 445
		switch {
		case p[6] == "RemoteInteractive":
			s.App, s.RespPort = "rdp", 3389
		case p[5] == "Kerberos" && p[7] != "LogOn":
			s.App, s.RespPort = "kerberos", 88
		}
		s.Sheet = &detection.Sheet{Logins: []detection.Login{{At: s.First, How: strings.ToLower(p[5]), Account: p[2], OK: p[8] == "Success"}}}
		tag := Tag{}
		if bad[red{p[0], p[1], p[3], p[4]}] {
			tag = Tag{Campaign: 1, Hop: 1}
		}
		tell(s, tag)
		return nil
	})
	if err != nil {
		return fmt.Errorf("auth.txt: %w", err)
	}
	return nil
}

// ecar is an event of OpTC.
type ecar struct {
	Action     string `json:"action"`
	Object     string `json:"object"`
	Timestamp  string `json:"timestamp"`
	Hostname   string `json:"hostname"`
	Properties struct {
		Direction string `json:"direction"`
		Source    string `json:"src_ip"`
		From      string `json:"src_port"`
		Target    string `json:"dest_ip"`
		To        string `json:"dest_port"`
		Protocol  string `json:"l4protocol"`
		Size      string `json:"size"`
	} `json:"properties"`
}

// apps are what is most often spoken on a port: OpTC has no protocols.
var apps = map[uint16]string{22: "ssh", 53: "dns", 80: "http", 88: "kerberos", 135: "dcerpc", 389: "ldap", 443: "tls", 445: "smb", 3389: "rdp", 5985: "winrm", 5986: "tls"}

// OpTC reads flows of DARPA's Operationally Transparent Cyber data set (2020) in the
// eCAR form, one JSON object a line. Only those that a host began are told, once:
// the host at the other end has them too. Home says which addresses are at home;
// hostile, which may be nil, whether a flow of a host at a time is of the red team.
func (l *Loader) OpTC(r io.Reader, home func(netip.Addr) bool, hostile func(host string, at time.Time) bool, tell func(*detection.Session, Tag)) error {
	err := lines(r, func(text string) error {
		var e ecar
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return fmt.Errorf("want one eCAR object a line: %w", err)
		}
		if e.Object != "FLOW" || e.Action != "START" || e.Properties.Direction != "outbound" {
			l.Skipped++
			return nil
		}
		at, err := time.Parse(time.RFC3339Nano, e.Timestamp)
		if err != nil {
			return fmt.Errorf("timestamp: %w", err)
		}
		from, err := netip.ParseAddr(e.Properties.Source)
		if err != nil {
			return fmt.Errorf("src_ip: %w", err)
		}
		to, err := netip.ParseAddr(e.Properties.Target)
		if err != nil {
			return fmt.Errorf("dest_ip: %w", err)
		}
		if at.Year() < 1970 || at.Year() > 2200 || to.IsMulticast() || from == to {
			l.Skipped++
			return nil
		}
		s := l.session(at.UnixNano(), packet.AddrOf(from), packet.AddrOf(to))
		s.Home = [2]bool{home(from), home(to)}
		s.OrigPort, s.RespPort = port(e.Properties.From), port(e.Properties.To)
		if e.Properties.Protocol == "17" {
			s.Proto = packet.ProtoUDP
		}
		if n, err := strconv.ParseUint(e.Properties.Size, 10, 63); err == nil && n > 0 {
			s.Bytes[session.Orig] = n
		}
		if s.App = apps[s.RespPort]; s.App == "" {
			s.App = "unknown"
		}
		tag := Tag{}
		if hostile != nil && hostile(e.Hostname, at) {
			tag = Tag{Campaign: 1, Hop: 1}
		}
		tell(s, tag)
		return nil
	})
	if err != nil {
		return fmt.Errorf("eCAR flows: %w", err)
	}
	return nil
}

func port(text string) uint16 {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// lines calls tell with each line that is not empty; an error gets the line's
// number.
func lines(r io.Reader, tell func(string) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for scanner.Scan() {
		n++
		text := strings.TrimSpace(scanner.Text())
		if text == "" {
			continue
		}
		if err := tell(text); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("after line %d: %w", n, err)
	}
	return nil
}
