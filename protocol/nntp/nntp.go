// Package nntp reads the Network News Transfer Protocol (RFC 3977, RFC 4642,
// RFC 4643): logins, groups and how many articles are moved.
package nntp

import (
	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of nntp.
var Definition = protocol.Definition{
	Name:       "nntp",
	Doc:        "Network News Transfer Protocol (RFC 3977): recognised by the greeting together with its commands.",
	Transports: protocol.TCP,
	Ports:      []uint16{119, 433},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the nntp record.
var Schema = record.New("nntp", "", "one NNTP session, told when it ends or turns to TLS",
	record.Field{Name: "user", Type: record.String, Doc: "Account of the last login."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the last login was accepted; unset if none was answered."},
	record.Field{Name: "failures", Type: record.Count, Doc: "Logins that were refused."},
	record.Field{Name: "groups", Type: record.Set, Doc: "Groups that were selected, at most 32."},
	record.Field{Name: "articles", Type: record.Count, Doc: "Articles, headers and bodies that were sent to the client."},
	record.Field{Name: "posts", Type: record.Count, Doc: "Articles that were accepted from the client."},
	record.Field{Name: "banner", Type: record.String, Doc: "Text of the greeting."},
	record.Field{Name: "tls", Type: record.Bool, Doc: "Whether the session went on encrypted after STARTTLS."},
)

// Bounds of what is kept.
const (
	maxText   = 256
	maxGroups = 32
	maxLogins = 1000
)

var commands = []string{"MODE", "GROUP", "ARTICLE", "HEAD", "BODY", "STAT", "XOVER", "OVER", "XHDR", "HDR", "LIST", "LISTGROUP", "AUTHINFO", "CAPABILITIES",
	"POST", "IHAVE", "CHECK", "TAKETHIS", "NEWGROUPS", "NEWNEWS", "DATE", "STARTTLS", "XPAT", "XZVER", "XFEATURE", "QUIT", "HELP", "NEXT", "LAST"}

// shared are commands that FTP, SMTP or POP3 have as well.
var shared = []string{"MODE", "LIST", "STAT", "QUIT", "HELP", "STARTTLS", "DATE"}

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 119, 433), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	word, rest := textline.Word(line)
	switch {
	case !complete && len(word) == len(line):
		if textline.PrefixOf(word, commands) {
			return textline.More
		}
		return textline.No
	case !textline.OneOf(word, commands):
		return textline.No
	case !complete:
		return textline.More
	case textline.Equal(word, "MODE"):
		if textline.HasPrefix(rest, "READER") || textline.HasPrefix(rest, "STREAM") {
			return textline.Likely
		}
		return textline.No
	case textline.OneOf(word, shared):
		return textline.More
	}
	return textline.Likely
}

func server(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	for i, c := range line[:min(len(line), 3)] {
		if c < '0' || c > '9' || i == 0 && (c < '1' || c > '5') {
			return textline.No
		}
	}
	if len(line) > 3 && line[3] != ' ' {
		return textline.No
	}
	if !complete {
		return textline.More
	}
	switch code, _ := textline.Code(line); code {
	case 200, 201:
		if textline.Contains(line, "NNTP") || textline.Contains(line, "INTERNETNEWS") || textline.Contains(line, "NNRP") || textline.Contains(line, "POSTING") {
			return textline.Sure
		}
		return textline.Likely
	case 111, 101, 203, 205, 211, 215, 220, 221, 222, 223, 224, 225, 230, 231, 235, 238, 239, 240, 281, 335, 340, 381, 382, 400, 411, 412, 420, 423, 430, 438, 480, 481, 482, 483, 500, 501, 502:
		return textline.Likely
	}
	return textline.No
}

type analyzer struct {
	lines   [2]textline.Reader
	article bool // the client sends an article
	multi   bool // the server sends lines up to a dot
	login   bool // a password was sent
	listing bool // the reply to LISTGROUP is a list, that to GROUP is none
	tls     bool
	banner  bool
	logins  int
	any     bool
	rec     nntpRecord
}

type nntpRecord struct {
	user, banner              []byte
	judged, success, tls      bool
	failures, articles, posts uint64
	groups                    []string
}

func (r *nntpRecord) Schema() *record.Schema { return Schema }

func (r *nntpRecord) Append(e *record.Encoder) {
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	e.Uint(r.failures)
	e.Strs(r.groups)
	e.Uint(r.articles)
	e.Uint(r.posts)
	e.Bytes(r.banner)
	e.Bool(r.tls)
}

// Parse reads one line.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig && a.tls {
		return 0 // until the server says whether TLS follows
	}
	line, n, ok := a.lines[dir].Next(data)
	if !ok {
		return n
	}
	a.any = true
	if dir == session.Orig {
		a.command(f, line)
	} else {
		a.reply(f, line)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	if dir == session.Orig {
		a.tls, a.login = false, false
	}
	return true
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.any {
		a.any = false
		f.Emit(&a.rec)
	}
}

func (a *analyzer) command(f *protocol.Flow, line []byte) {
	if a.article {
		a.article = len(line) != 1 || line[0] != '.'
		return
	}
	word, rest := textline.Word(line)
	r := &a.rec
	switch {
	case textline.Equal(word, "AUTHINFO"):
		kind, value := textline.Word(rest)
		switch {
		case textline.Equal(kind, "USER"):
			r.user = textline.Set(r.user, value, maxText)
		case textline.Equal(kind, "PASS"):
			a.login = true
			if a.logins++; a.logins <= maxLogins {
				f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(r.user)})
			}
		}
	case textline.Equal(word, "GROUP"), textline.Equal(word, "LISTGROUP"):
		a.listing = len(word) > 5
		a.group(rest)
	case textline.Equal(word, "STARTTLS"):
		a.tls = true
	case textline.Equal(word, "TAKETHIS"): // the article follows at once (RFC 4644)
		a.article = true
	}
}

func (a *analyzer) group(name []byte) {
	r := &a.rec
	name = name[:min(len(name), maxText)]
	if len(name) == 0 || len(r.groups) >= maxGroups {
		return
	}
	for _, g := range r.groups {
		if g == string(name) {
			return
		}
	}
	r.groups = append(r.groups, string(name))
}

func (a *analyzer) reply(f *protocol.Flow, line []byte) {
	if a.multi {
		a.multi = len(line) != 1 || line[0] != '.'
		return
	}
	code, _ := textline.Code(line)
	r := &a.rec
	if !a.banner && (code == 200 || code == 201) {
		text := textline.Text(line)
		r.banner = textline.Set(r.banner, text, maxText)
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(r.banner)})
	}
	a.banner = true
	switch code {
	case 220, 221, 222:
		r.articles++
		a.multi = true
	case 100, 101, 215, 224, 225, 230, 231:
		a.multi = true
	case 211:
		a.multi = a.listing
	case 235, 239, 240:
		r.posts++
	case 335, 340:
		a.article = true
	case 281, 481, 482:
		a.judge(f, code == 281)
	case 382:
		if a.tls {
			a.tls = false
			r.tls = true
			f.Handover("tls", true)
		}
	default:
		if a.tls && code >= 400 {
			a.tls = false
		}
		if code == 502 && a.login {
			a.judge(f, false)
		}
	}
}

func (a *analyzer) judge(f *protocol.Flow, ok bool) {
	r := &a.rec
	a.login = false
	r.judged, r.success = true, ok
	if !ok {
		r.failures++
	}
	if a.logins > maxLogins {
		return
	}
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(r.user)})
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(r.user)})
}
