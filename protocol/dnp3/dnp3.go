// Package dnp3 reads DNP3 (IEEE 1815) over TCP and UDP.
package dnp3

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "dnp3",
	Doc:        "Distributed Network Protocol 3 (IEEE 1815); recognised by its start bytes and the checksum of the link header.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{20000},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the dnp3 record: one a request with its reply.
var Schema = record.New("dnp3", "dnp3", "A DNP3 request with its reply.",
	record.Field{Name: "fc_request", Type: record.String, Doc: "Function of the request."},
	record.Field{Name: "fc_reply", Type: record.String, Doc: "Function of the reply."},
	record.Field{Name: "iin", Type: record.Count, Doc: "Internal indications of the outstation: 16 bits."},
	record.Field{Name: "source", Type: record.Count, Doc: "Link address of the sender of the request, or of the reply if there is none."},
	record.Field{Name: "destination", Type: record.Count, Doc: "Link address of the receiver."},
)

const (
	headerBytes = 10
	blockBytes  = 16
)

// table is that of the CRC-16 with polynomial 3d65, reflected.
var table = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0xa6bc
			} else {
				c >>= 1
			}
		}
		t[i] = c
	}
	return
}()

func checksum(b []byte) uint16 {
	var c uint16
	for _, v := range b {
		c = table[byte(c)^v] ^ c>>8
	}
	return ^c
}

// sound reports whether b ends with the checksum of what is before it.
func sound(b []byte) bool {
	n := len(b) - 2
	return checksum(b[:n]) == binary.LittleEndian.Uint16(b[n:])
}

// size returns the length of a frame on the wire. Its length field counts
// neither the start bytes nor the checksums.
func size(b []byte) int {
	n := int(b[2]) - 5
	return headerBytes + n + 2*((n+blockBytes-1)/blockBytes)
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	switch {
	case len(b) > 0 && b[0] != 0x05, len(b) > 1 && b[1] != 0x64, len(b) > 2 && b[2] < 5:
		return protocol.No
	case len(b) < headerBytes && e.Transport == protocol.TCP:
		return protocol.More
	case len(b) < headerBytes || !sound(b[:headerBytes]):
		return protocol.No
	}
	return protocol.Sure
}

type analyzer struct {
	rec     Record
	pending bool
	lost    bool // searching for the next frame
}

// Close tells a request that has no reply.
func (a *analyzer) Close(f *protocol.Flow) { a.flush(f) }

// Gap goes on with the next segment if that starts a frame.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

func (a *analyzer) flush(f *protocol.Flow) {
	if a.pending {
		a.pending = false
		f.Emit(&a.rec)
	}
}

// Parse reads frames.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= headerBytes {
		b := data[used:]
		if b[0] != 0x05 || b[1] != 0x64 || b[2] < 5 {
			if !a.lost {
				f.Anomaly("dnp3_header_lacks_magic", "")
			}
			a.lost = true
			i := bytes.Index(b[1:], []byte{0x05, 0x64})
			if i < 0 {
				return len(data) - 1
			}
			used += 1 + i
			continue
		}
		a.lost = false
		n := size(b)
		if len(b) < n {
			break
		}
		a.frame(f, b[:n])
		used += n
	}
	if f.Datagram() && used < len(data) {
		f.Anomaly("dnp3_truncated", "")
		return len(data)
	}
	return used
}

const (
	fromPrimary    = 0x40 // control bit: the frame starts a link transaction
	userData       = 3    // link function: confirmed, and
	userDataQuick  = 4    // unconfirmed
	firstFragment  = 0x40 // transport bit
	fcConfirm      = 0
	fcResponse     = 0x81
	fcUnsolicited  = 0x82
	fcAuthResponse = 0x83
)

func (a *analyzer) frame(f *protocol.Flow, b []byte) {
	if !sound(b[:headerBytes]) {
		f.Anomaly("dnp3_corrupt_header_checksum", "")
		return
	}
	for rest := b[headerBytes:]; len(rest) > 2; {
		n := min(len(rest), blockBytes+2)
		if !sound(rest[:n]) {
			f.Anomaly("dnp3_corrupt_data_checksum", "")
			return
		}
		rest = rest[n:]
	}
	ctrl, body := b[3], b[headerBytes:]
	if ctrl&fromPrimary == 0 || ctrl&15 != userData && ctrl&15 != userDataQuick || len(body) < 3+2 || body[0]&firstFragment == 0 {
		return
	}
	dst, src := binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	fc := body[2]
	if fc < fcResponse {
		a.flush(f)
		if fc == fcConfirm {
			return
		}
		a.rec = Record{request: fc, hasRequest: true, source: src, destination: dst}
		a.pending = true
		return
	}
	if fc == fcUnsolicited {
		a.flush(f)
	}
	if !a.pending {
		a.rec = Record{source: src, destination: dst}
	}
	a.rec.reply, a.rec.hasReply = fc, true
	if len(body) >= 5+2 {
		a.rec.iin, a.rec.hasIIN = binary.BigEndian.Uint16(body[3:]), true
	}
	a.pending = false
	f.Emit(&a.rec)
}

// Record is a request with its reply.
type Record struct {
	request, reply               uint8
	hasRequest, hasReply, hasIIN bool
	iin, source, destination     uint16
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

var functions = [...]string{0: "CONFIRM", 1: "READ", 2: "WRITE", 3: "SELECT", 4: "OPERATE", 5: "DIRECT_OPERATE", 6: "DIRECT_OPERATE_NR",
	7: "IMMED_FREEZE", 8: "IMMED_FREEZE_NR", 9: "FREEZE_CLEAR", 10: "FREEZE_CLEAR_NR", 11: "FREEZE_AT_TIME", 12: "FREEZE_AT_TIME_NR",
	13: "COLD_RESTART", 14: "WARM_RESTART", 15: "INITIALIZE_DATA", 16: "INITIALIZE_APPL", 17: "START_APPL", 18: "STOP_APPL", 19: "SAVE_CONFIG",
	20: "ENABLE_UNSOLICITED", 21: "DISABLE_UNSOLICITED", 22: "ASSIGN_CLASS", 23: "DELAY_MEASURE", 24: "RECORD_CURRENT_TIME", 25: "OPEN_FILE",
	26: "CLOSE_FILE", 27: "DELETE_FILE", 28: "GET_FILE_INFO", 29: "AUTHENTICATE_FILE", 30: "ABORT_FILE", 31: "ACTIVATE_CONFIG",
	32: "AUTHENTICATE_REQ", 33: "AUTHENTICATE_ERR", fcResponse: "RESPONSE", fcUnsolicited: "UNSOLICITED_RESPONSE", fcAuthResponse: "AUTHENTICATE_RESP"}

func function(e *record.Encoder, fc uint8, ok bool) {
	switch {
	case !ok:
		e.Unset()
	case int(fc) < len(functions) && functions[fc] != "":
		e.Str(functions[fc])
	default:
		e.Str("unknown-" + strconv.Itoa(int(fc)))
	}
}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	function(e, r.request, r.hasRequest)
	function(e, r.reply, r.hasReply)
	if r.hasIIN {
		e.Uint(uint64(r.iin))
	} else {
		e.Unset()
	}
	e.Uint(uint64(r.source))
	e.Uint(uint64(r.destination))
}
