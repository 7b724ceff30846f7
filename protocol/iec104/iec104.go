// Package iec104 reads IEC 60870-5-104, the telecontrol of power grids over TCP.
package iec104

import (
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "iec104",
	Doc:        "IEC 60870-5-104 telecontrol; recognised by its control frames, or by information frames whose type, cause and length fit.",
	Transports: protocol.TCP,
	Ports:      []uint16{2404},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the iec104 record: one a control frame or command, and the first of
// each other type in a session.
var Schema = record.New("iec104", "", "An IEC 104 control frame, command, or first information frame of its type.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the frame."},
	record.Field{Name: "frame", Type: record.Enum, Doc: "I for information, U for control."},
	record.Field{Name: "function", Type: record.String, Doc: "Function of a control frame, or type of the information."},
	record.Field{Name: "type_id", Type: record.Count, Doc: "Type identification of the information."},
	record.Field{Name: "cause", Type: record.Count, Doc: "Cause of transmission: 3 spontaneous, 6 activation, 7 its confirmation, 20 interrogated …"},
	record.Field{Name: "negative", Type: record.Bool, Doc: "True if a command was refused."},
	record.Field{Name: "common_address", Type: record.Count, Doc: "Address of the station."},
	record.Field{Name: "object_address", Type: record.Count, Doc: "Address of the first information object."},
	record.Field{Name: "objects", Type: record.Count, Doc: "Number of information objects."},
)

const (
	start    = 0x68
	minFrame = 4
	asduMin  = 4 + 6 + 3 // control field, ASDU header, one object address
)

var types = [...]string{1: "M_SP_NA_1", 3: "M_DP_NA_1", 5: "M_ST_NA_1", 7: "M_BO_NA_1", 9: "M_ME_NA_1", 11: "M_ME_NB_1", 13: "M_ME_NC_1", 15: "M_IT_NA_1",
	20: "M_PS_NA_1", 21: "M_ME_ND_1", 30: "M_SP_TB_1", 31: "M_DP_TB_1", 32: "M_ST_TB_1", 33: "M_BO_TB_1", 34: "M_ME_TD_1", 35: "M_ME_TE_1",
	36: "M_ME_TF_1", 37: "M_IT_TB_1", 38: "M_EP_TD_1", 39: "M_EP_TE_1", 40: "M_EP_TF_1", 45: "C_SC_NA_1", 46: "C_DC_NA_1", 47: "C_RC_NA_1",
	48: "C_SE_NA_1", 49: "C_SE_NB_1", 50: "C_SE_NC_1", 51: "C_BO_NA_1", 58: "C_SC_TA_1", 59: "C_DC_TA_1", 60: "C_RC_TA_1", 61: "C_SE_TA_1",
	62: "C_SE_TB_1", 63: "C_SE_TC_1", 64: "C_BO_TA_1", 70: "M_EI_NA_1", 100: "C_IC_NA_1", 101: "C_CI_NA_1", 102: "C_RD_NA_1", 103: "C_CS_NA_1",
	104: "C_TS_NA_1", 105: "C_RP_NA_1", 106: "C_CD_NA_1", 107: "C_TS_TA_1", 110: "P_ME_NA_1", 111: "P_ME_NB_1", 112: "P_ME_NC_1", 113: "P_AC_NA_1",
	120: "F_FR_NA_1", 121: "F_SR_NA_1", 122: "F_SC_NA_1", 123: "F_LS_NA_1", 124: "F_AF_NA_1", 125: "F_SG_NA_1", 126: "F_DR_TA_1", 127: "F_SC_NB_1"}

// control names the control frames by their first byte.
func control(b byte) string {
	switch b {
	case 0x07:
		return "STARTDT act"
	case 0x0b:
		return "STARTDT con"
	case 0x13:
		return "STOPDT act"
	case 0x23:
		return "STOPDT con"
	case 0x43:
		return "TESTFR act"
	case 0x83:
		return "TESTFR con"
	}
	return ""
}

// frame checks the frame b starts with and returns its size; strong is true if
// it cannot be much else.
func frame(b []byte) (size int, ok, strong bool) {
	if len(b) < 2+minFrame || b[0] != start || b[1] < minFrame || b[1] > 253 {
		return 0, false, false
	}
	size = 2 + int(b[1])
	switch {
	case b[2]&3 == 3:
		ok = b[1] == minFrame && b[3]|b[4]|b[5] == 0 && control(b[2]) != ""
		return size, ok, ok
	case b[2]&3 == 1:
		return size, b[1] == minFrame && b[2] == 1 && b[3] == 0 && b[4]&1 == 0, false
	}
	if int(b[1]) < asduMin || len(b) < 2+asduMin || b[4]&1 != 0 {
		return size, false, false
	}
	t, cause := b[6], b[8]&0x3f
	ok = int(t) < len(types) && types[t] != "" && b[7] != 0 && cause > 0 && cause < 48 && (b[10] != 0 || b[11] != 0)
	return size, ok, false
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 || b[0] != start || len(b) > 1 && (b[1] < minFrame || b[1] > 253) {
		return protocol.No
	}
	if len(b) < 2+minFrame || b[2]&1 == 0 && len(b) < 2+int(b[1]) {
		return protocol.More
	}
	n, ok, strong := frame(b)
	switch {
	case !ok:
		return protocol.No
	case strong || e.Port(2404):
		return protocol.Sure
	case len(b) > n:
		if len(b) < n+2+minFrame || b[n] == start && b[n+2]&1 == 0 && len(b) < n+2+asduMin {
			return protocol.More
		}
		if _, ok, _ := frame(b[n:]); ok {
			return protocol.Sure
		}
		return protocol.No
	}
	return protocol.More
}

type analyzer struct {
	rec  Record
	told [2]uint64 // types told, by bit
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a frame.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads frames.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= 2+minFrame {
		b := data[used:]
		if b[0] != start || b[1] < minFrame {
			f.Anomaly("iec104_bad_frame", "")
			return protocol.SkipAll
		}
		n := 2 + int(b[1])
		if len(b) < n {
			break
		}
		a.frame(f, dir, b[2:n])
		used += n
	}
	return used
}

// isCommand reports whether a type is sent to change something.
func isCommand(t uint8) bool { return t >= 45 && t <= 69 || t >= 100 }

func (a *analyzer) frame(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	switch {
	case b[0]&3 == 3:
		if name := control(b[0]); name != "" {
			*r = Record{orig: dir == session.Orig, function: name}
			f.Emit(r)
		}
		return
	case b[0]&1 == 1:
		return
	}
	c := wire.New(b)
	c.Skip(4)
	*r = Record{orig: dir == session.Orig, info: true, kind: c.U8()}
	n := c.U8()
	cause := c.U8()
	c.Skip(1)
	r.objects, r.cause, r.negative = n&0x7f, cause&0x3f, cause&0x40 != 0
	r.station = c.LE16()
	r.object = uint32(c.LE16())
	r.object |= uint32(c.U8()) << 16
	if !c.OK() {
		f.Anomaly("iec104_bad_frame", "")
		return
	}
	word, bit := r.kind>>6&1, uint64(1)<<(r.kind&63)
	if !isCommand(r.kind) && a.told[word]&bit != 0 {
		return
	}
	a.told[word] |= bit
	f.Emit(r)
}

// Record is a frame.
type Record struct {
	orig, info, negative bool
	function             string
	kind, objects, cause uint8
	station              uint16
	object               uint32
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	if !r.info {
		e.Str("U")
		e.Str(r.function)
		for range 6 {
			e.Unset()
		}
		return
	}
	e.Str("I")
	if int(r.kind) < len(types) && types[r.kind] != "" {
		e.Str(types[r.kind])
	} else {
		e.Str("unknown-" + strconv.Itoa(int(r.kind)))
	}
	e.Uint(uint64(r.kind))
	e.Uint(uint64(r.cause))
	e.Bool(r.negative)
	e.Uint(uint64(r.station))
	e.Uint(uint64(r.object))
	e.Uint(uint64(r.objects))
}
