package detection

import (
	"tyto/behavior"
	"tyto/behavior/lead"
	"tyto/packet"
	"tyto/session"
)

// Session is a session that is over, as detectors see it.
type Session struct {
	UID         session.UID
	First, Last int64 // ns since the epoch
	session.Tuple
	App     string
	Domain  string // name the responder was reached by
	Source  string // where the name is from: sni, http, cert, dns
	Bytes   [2]uint64
	Packets [2]uint64
	State   string  // as Zeek's conn_state
	Home    [2]bool // whether the side is in a home network
	// Heard is what was heard in it; without Embedding.
	Heard behavior.Heard
	// Lead is who leads, nil of sessions too short to tell.
	Lead *lead.Measure
	// Sheet is what protocols said in it, nil if nothing that matters here.
	Sheet *Sheet
}

// Duration returns how long it lasted, in ns.
func (s *Session) Duration() int64 { return s.Last - s.First }

// Inside reports whether both sides are at home.
func (s *Session) Inside() bool { return s.Home[0] && s.Home[1] }

// Outbound reports whether it goes from home to elsewhere.
func (s *Session) Outbound() bool { return s.Home[0] && !s.Home[1] }

// Refused reports whether nobody answered, or somebody refused.
func (s *Session) Refused() bool {
	switch s.State {
	case "S0", "REJ", "SH", "RSTOS0":
		return true
	}
	return s.Packets[session.Resp] == 0
}

// Far returns the responder as a party.
func (s *Session) Far() Party { return Party{s.Resp, s.Domain} }

// Label returns the probability that a label holds, 0 if it was not heard.
func (s *Session) Label(name string) float64 {
	for _, l := range s.Heard.Labels {
		if l.Name == name {
			return l.P
		}
	}
	return 0
}

// Sheet is what protocols said in one session, in the order in which they said
// it. Each list is bounded by MaxFacts; Dropped counts what did not fit.
type Sheet struct {
	Calls    []Call
	Files    []File
	Shares   []Share
	Logins   []Login
	Tickets  []Ticket
	Requests []Request
	Queries  []Query
	Searches []Search
	Marks    []Mark // what lists and rules name
	Flaw     string // of the server's certificate: self-signed, expired, …
	// Authentic says that the session's own login was accepted, where only that
	// is known (SSH).
	Authentic bool
	Attempts  int // logins tried in the session, where only their number is known
	Dropped   int
}

// MaxFacts is how many items a list of a Sheet has at most.
const MaxFacts = 64

// Call is a remote procedure call, or several in a row.
type Call struct {
	At                   int64
	Interface, Operation string
	Args                 []string
	Fault                string
	Count                int
}

// File is what was done to a file on a share.
type File struct {
	At      int64
	Share   string // \\server\share
	Name    string
	Action  string // open, read, write, rename, delete, pipe, list
	Bytes   uint64
	Created bool
	Failed  bool
	User    string
}

// Share is a share that was connected to.
type Share struct {
	At     int64
	Path   string
	Failed bool
	User   string
}

// Login is a login that was answered.
type Login struct {
	At      int64
	How     string // protocol
	Account string // empty if it is not told
	OK      bool
}

// Ticket is an exchange with a Kerberos server.
type Ticket struct {
	At              int64
	Kind            string // AS, TGS
	Client, Service string
	OK              bool
	Error           string
	Cipher          string // of the ticket
	Preauth         string
	Etypes          []string // that the client offered
}

// Request is an HTTP request that matters here.
type Request struct {
	At                int64
	Method, Host, URI string
	Agent             string
	Status            int
}

// Query is a DNS query.
type Query struct {
	At      int64
	Name    string
	Type    string
	Answer  uint64 // bytes
	Missing bool
}

// Search is a search in a directory.
type Search struct {
	At         int64
	Filter     string // in lower case
	Attributes string // in lower case, separated by commas
	Found      int
}

// Search notes a search.
func (s *Sheet) Search(v Search) {
	if s.room(len(s.Searches)) {
		s.Searches = append(s.Searches, v)
	}
}

// room reports whether a list may grow, and counts if not.
func (s *Sheet) room(n int) bool {
	if n < MaxFacts {
		return true
	}
	s.Dropped++
	return false
}

// Call notes a call; one that is the same as the latest counts with it.
func (s *Sheet) Call(c Call) {
	if n := len(s.Calls); n > 0 {
		last := &s.Calls[n-1]
		if last.Interface == c.Interface && last.Operation == c.Operation && last.Fault == c.Fault && len(c.Args) == 0 && len(last.Args) == 0 {
			last.Count++
			return
		}
	}
	c.Count = 1
	if s.room(len(s.Calls)) {
		s.Calls = append(s.Calls, c)
		return
	}
	// A flood of calls must not hide what comes after it: count it where the
	// operation is known.
	for i := range s.Calls {
		if s.Calls[i].Interface == c.Interface && s.Calls[i].Operation == c.Operation {
			s.Calls[i].Count++
			return
		}
	}
}

// File notes what was done to a file.
func (s *Sheet) File(f File) {
	if s.room(len(s.Files)) {
		s.Files = append(s.Files, f)
	}
}

// Share notes a share.
func (s *Sheet) Share(v Share) {
	if s.room(len(s.Shares)) {
		s.Shares = append(s.Shares, v)
	}
}

// Login notes a login; what Kerberos or NTLM prove again is one.
func (s *Sheet) Login(v Login) {
	if n := len(s.Logins); v.OK && n > 0 && s.Logins[n-1].OK && s.Logins[n-1].Account == v.Account {
		return
	}
	if s.room(len(s.Logins)) {
		s.Logins = append(s.Logins, v)
	}
}

// Ticket notes a Kerberos exchange.
func (s *Sheet) Ticket(v Ticket) {
	if s.room(len(s.Tickets)) {
		s.Tickets = append(s.Tickets, v)
	}
}

// Request notes an HTTP request.
func (s *Sheet) Request(v Request) {
	if s.room(len(s.Requests)) {
		s.Requests = append(s.Requests, v)
	}
}

// Query notes a DNS query.
func (s *Sheet) Query(v Query) {
	if len(s.Queries) < MaxQueries {
		s.Queries = append(s.Queries, v)
		return
	}
	s.Dropped++
}

// MaxQueries is how many queries of a session are kept: a resolver's client may
// ask all its questions from one port.
const MaxQueries = 1024

// Calls returns the session's remote procedure calls, none if it has no sheet.
func (s *Session) Calls() []Call {
	if s.Sheet == nil {
		return nil
	}
	return s.Sheet.Calls
}

// Files returns what was done to files on shares.
func (s *Session) Files() []File {
	if s.Sheet == nil {
		return nil
	}
	return s.Sheet.Files
}

// Between returns the two ends as a key.
func (s *Session) Between() string { return s.Orig.String() + ">" + s.Resp.String() }

// Peer returns the address of a side.
func (s *Session) Peer(d session.Direction) packet.Addr {
	if d == session.Orig {
		return s.Orig
	}
	return s.Resp
}
