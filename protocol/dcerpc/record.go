package dcerpc

import (
	"strconv"

	"tyto/internal/record"
)

// Schema describes the record of one remote procedure call.
var Schema = record.New("dce_rpc", "dce_rpc", "One remote procedure call, written with its response or when the session ends without one.",
	record.Field{Name: "rtt", Type: record.Interval, Doc: "Time from the end of the request to the start of the response; unset if either was not seen."},
	record.Field{Name: "named_pipe", Type: record.String, Doc: "Pipe, or on TCP the port, as the server names it in its answer to the bind."},
	record.Field{Name: "endpoint", Type: record.String, Doc: "Name of the interface, or unknown- and its UUID; unset where the bind that says it was not seen."},
	record.Field{Name: "operation", Type: record.String, Doc: "Name of the operation; unknown- and its number where the interface has no name for it, opnum and its number where the interface is not known."},
	record.Field{Name: "uuid", Type: record.String, Doc: "UUID of the interface."},
	record.Field{Name: "interface_version", Type: record.String, Doc: "Version of the interface, major and minor."},
	record.Field{Name: "opnum", Type: record.Count, Doc: "Number of the operation."},
	record.Field{Name: "request_bytes", Type: record.Count, Doc: "Bytes of the arguments, over all fragments."},
	record.Field{Name: "response_bytes", Type: record.Count, Doc: "Bytes of the results, over all fragments."},
	record.Field{Name: "fault", Type: record.String, Doc: "Status of the fault that came instead of results, as a name or in hexadecimal."},
	record.Field{Name: "encrypted", Type: record.Bool, Doc: "Whether arguments and results are encrypted (packet privacy)."},
	record.Field{Name: "auth", Type: record.Enum, Doc: "Security of the connection: ntlm, kerberos, spnego (either of them), netlogon or tls."},
	record.Field{Name: "auth_level", Type: record.Enum, Doc: "Protection level: connect, call, packet, integrity or privacy."},
	record.Field{Name: "args", Type: record.Strings, Doc: "Text arguments of the request in their order (a service's name and command, an account, a path); never those that may hold a secret."},
	record.Field{Name: "map_endpoint", Type: record.String, Doc: "Interface the endpoint mapper is asked for."},
	record.Field{Name: "map_addr", Type: record.Addr, Doc: "Address where the endpoint mapper says the interface is."},
	record.Field{Name: "map_port", Type: record.Port, Doc: "Port where the endpoint mapper says the interface is."},
	record.Field{Name: "map_pipe", Type: record.String, Doc: "Pipe where the endpoint mapper says the interface is."},
)

// Record is one call.
type Record struct {
	call         *call
	pipe         string
	endpoint     string
	iface        *Interface
	uuid         UUID
	hasUUID      bool
	major, minor uint16
	status       uint32
	fault        bool
	auth         string
	level        uint8
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	k := r.call
	var buf [64]byte
	if k.answered > 0 {
		e.Interval(max(k.answered-k.last, 0))
	} else {
		e.Unset()
	}
	e.Str(r.pipe)
	e.Str(r.endpoint)
	switch name := r.operation(); {
	case name != "":
		e.Str(name)
	case r.endpoint == "":
		e.Bytes(strconv.AppendUint(append(buf[:0], "opnum "...), uint64(k.opnum), 10))
	default:
		e.Bytes(strconv.AppendUint(append(buf[:0], "unknown-"...), uint64(k.opnum), 10))
	}
	if r.hasUUID {
		e.Bytes(r.uuid.AppendTo(buf[:0]))
	} else {
		e.Unset()
	}
	if r.hasUUID && r.major|r.minor != 0 {
		v := strconv.AppendUint(buf[:0], uint64(r.major), 10)
		e.Bytes(strconv.AppendUint(append(v, '.'), uint64(r.minor), 10))
	} else {
		e.Unset()
	}
	e.Uint(uint64(k.opnum))
	e.Uint(k.requestBytes)
	e.Uint(k.responseBytes)
	switch name := faultName(r.status); {
	case !r.fault:
		e.Unset()
	case name != "":
		e.Str(name)
	default:
		e.Bytes(strconv.AppendUint(append(buf[:0], "0x"...), uint64(r.status), 16))
	}
	e.Bool(k.encrypted)
	e.Str(r.auth)
	e.Str(levelName(r.level))
	e.Strs(k.args)
	r.appendTower(e)
}

func (r *Record) operation() string {
	if r.iface == nil {
		return ""
	}
	return r.iface.Operation(r.call.opnum)
}

// appendTower writes what the endpoint mapper was asked and answered.
func (r *Record) appendTower(e *record.Encoder) {
	t := &r.call.tower
	if !r.call.hasTower {
		e.Unset()
		e.Unset()
		e.Unset()
		e.Unset()
		return
	}
	var buf [36]byte
	if i := Lookup(t.Interface); i != nil {
		e.Str(i.Name)
	} else {
		e.Bytes(t.Interface.AppendTo(buf[:0]))
	}
	if t.Addr.IsZero() {
		e.Unset()
	} else {
		e.Addr(t.Addr.Netip())
	}
	if t.Port == 0 || r.call.answered == 0 {
		e.Unset()
	} else {
		e.Uint(uint64(t.Port))
	}
	e.Str(t.Pipe)
}

// levelName returns the name of a protection level (MS-RPCE section 2.2.1.1.8).
func levelName(level uint8) string {
	switch level {
	case levelConnect:
		return "connect"
	case 3:
		return "call"
	case 4:
		return "packet"
	case 5:
		return "integrity"
	case levelPrivacy:
		return "privacy"
	}
	return ""
}

// faultName returns the name of a fault status (C706 appendix E, MS-ERREF).
func faultName(status uint32) string {
	switch status {
	case faultAccess:
		return "access_denied"
	case faultSecPackage:
		return "sec_pkg_error"
	case 0x000006f7:
		return "bad_stub_data"
	case 0x000006e4:
		return "cannot_support"
	case 0x1c010002:
		return "op_rng_error"
	case 0x1c010003:
		return "unk_if"
	case 0x1c01000b:
		return "proto_error"
	case 0x1c010013:
		return "out_args_too_big"
	case 0x1c010014:
		return "server_too_busy"
	case 0x1c000007:
		return "context_mismatch"
	case 0x1c00001a:
		return "context_mismatch"
	case 0x1c00001c:
		return "invalid_tag"
	case 0x80010111:
		return "invalid_header"
	case 0x80070005:
		return "access_denied"
	}
	return ""
}
