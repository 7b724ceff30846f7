package record

// Identity is what every record about a session starts with, in front of the
// fields of its own schema.
var Identity = New("identity", "", "What every record about a session starts with.",
	Field{Name: "ts", Type: Time, Doc: "Time: of the session's first packet in session records, of the event itself in others."},
	Field{Name: "uid", Type: String, Doc: "Identifier of the session."},
	Field{Name: "id.orig_h", Type: Addr, Doc: "Address of the originator (client)."},
	Field{Name: "id.orig_p", Type: Port, Doc: "Port of the originator; the type for ICMP."},
	Field{Name: "id.resp_h", Type: Addr, Doc: "Address of the responder (server)."},
	Field{Name: "id.resp_p", Type: Port, Doc: "Port of the responder; the counterpart type or the code for ICMP."},
)
