package sensor

import (
	"strings"

	"tyto/detection"
	"tyto/internal/fields"
	"tyto/internal/intern"
	"tyto/protocol"
	"tyto/session"
)

// sheets gather what protocols say in the sessions of a lane, for detections.
type sheets struct {
	fields  fields.Reader
	names   intern.Strings
	open    map[session.UID]*detection.Sheet
	dropped uint64 // sessions for which there was no room
}

// maxSheets is how many sessions of a lane may have a sheet at once.
const maxSheets = 16 << 10

func newSheets() *sheets { return &sheets{open: make(map[session.UID]*detection.Sheet)} }

// of returns a session's sheet, which is made if it is new; nil if there is no
// room.
func (h *sheets) of(s *session.Session) *detection.Sheet {
	sheet := h.open[s.UID]
	if sheet == nil {
		if len(h.open) >= maxSheets {
			h.dropped++
			return nil
		}
		sheet = new(detection.Sheet)
		h.open[s.UID] = sheet
	}
	return sheet
}

// take returns a session's sheet and forgets it.
func (h *sheets) take(uid session.UID) *detection.Sheet {
	sheet := h.open[uid]
	delete(h.open, uid)
	return sheet
}

// sheetReaders note the kinds of records that detections look at.
var sheetReaders = map[string]sheetReader{
	"dce_rpc": {add: (*sheets).call}, "smb_files": {add: (*sheets).file}, "smb_mapping": {add: (*sheets).share}, "kerberos": {add: (*sheets).ticket},
	"http": {(*sheets).managing, (*sheets).request}, "dns": {add: (*sheets).query}, "ssh": {add: (*sheets).ssh},
	"ldap_search": {add: (*sheets).search},
}

// sheetReader notes records of one kind: those that matter, or all.
type sheetReader struct {
	matters func(*sheets) bool
	add     func(*sheets, *detection.Sheet, int64)
}

// record notes a record.
func (h *sheets) record(s *session.Session, now int64, r protocol.Record) {
	read := sheetReaders[r.Schema().Kind]
	if read.add == nil {
		return
	}
	h.fields.Load(r)
	if read.matters != nil && !read.matters(h) {
		return
	}
	if sheet := h.of(s); sheet != nil {
		read.add(h, sheet, now)
	}
}

// text returns a value, each different one once.
func (h *sheets) text(field string) string { return h.names.Clone(h.fields.Str(field)) }

func (h *sheets) call(sheet *detection.Sheet, now int64) {
	sheet.Call(detection.Call{At: now, Interface: h.text("endpoint"), Operation: h.text("operation"), Args: h.fields.Strs("args"), Fault: h.text("fault")})
}

func (h *sheets) file(sheet *detection.Sheet, now int64) {
	action := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(h.fields.Str("action"), "SMB::"), "FILE_"))
	if action == "dir_list" || action == "set_attribute" {
		return
	}
	sheet.File(detection.File{
		At: now, Share: h.text("path"), Name: h.fields.Str("name"), Action: h.names.Clone(action), Bytes: h.fields.Uint("bytes"),
		Created: h.fields.True("created"), Failed: h.fields.Str("status") != "", User: h.text("user"),
	})
}

func (h *sheets) share(sheet *detection.Sheet, now int64) {
	sheet.Share(detection.Share{At: now, Path: h.text("path"), Failed: h.fields.Str("status") != "", User: h.text("user")})
}

func (h *sheets) ticket(sheet *detection.Sheet, now int64) {
	kind := h.text("request_type")
	if kind != "AS" && kind != "TGS" {
		return
	}
	sheet.Ticket(detection.Ticket{
		At: now, Kind: kind, Client: h.text("client"), Service: h.text("service"), OK: h.fields.True("success"),
		Error: h.text("error_msg"), Cipher: h.text("cipher"), Preauth: h.text("preauth"), Etypes: h.fields.Strs("etypes"),
	})
}

// managing reports whether a request is one of remote management; others say
// nothing here.
func (h *sheets) managing() bool {
	return detection.IsWinRM(&detection.Request{Method: h.fields.Str("method"), URI: h.fields.Str("uri"), Agent: h.fields.Str("user_agent")})
}

func (h *sheets) request(sheet *detection.Sheet, now int64) {
	sheet.Request(detection.Request{At: now, Method: h.text("method"), URI: h.fields.Str("uri"), Host: h.text("host"), Agent: h.text("user_agent"), Status: int(h.fields.Uint("status_code"))})
}

func (h *sheets) query(sheet *detection.Sheet, now int64) {
	if name := h.fields.Str("query"); name != "" {
		sheet.Query(detection.Query{At: now, Name: name, Type: h.text("qtype_name"), Answer: h.fields.Uint("reply_bytes"), Missing: h.fields.Is("rcode_name", "NXDOMAIN")})
	}
}

func (h *sheets) search(sheet *detection.Sheet, now int64) {
	sheet.Search(detection.Search{At: now, Filter: strings.ToLower(h.fields.Str("filter")), Attributes: strings.ToLower(strings.Join(h.fields.Strs("attributes"), ",")), Found: int(h.fields.Uint("result_count"))})
}

func (h *sheets) ssh(sheet *detection.Sheet, _ int64) {
	sheet.Authentic = sheet.Authentic || h.fields.True("auth_success")
	sheet.Attempts = max(sheet.Attempts, int(h.fields.Uint("auth_attempts")))
}

// observe notes logins and flaws of certificates.
func (h *sheets) observe(s *session.Session, o *protocol.Observation, now int64) {
	switch o.Kind {
	case protocol.LoginOK, protocol.LoginFailed:
		if sheet := h.of(s); sheet != nil {
			sheet.Login(detection.Login{At: now, How: h.names.Clone(o.Source), Account: h.names.Clone(o.Value), OK: o.Kind == protocol.LoginOK})
		}
	case protocol.Certificate:
		if sheet := h.of(s); sheet != nil {
			sheet.Flaw = h.names.Clone(o.Value)
		}
	}
}
