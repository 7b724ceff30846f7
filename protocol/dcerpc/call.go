package dcerpc

import (
	"strings"

	"tyto/protocol"
)

// request reads a call, or a further fragment of one.
func (c *Conn) request(f *protocol.Flow, r *reader, b []byte, id uint32) {
	r.Skip(4)
	ctx, opnum := r.u16(), r.u16()
	var object UUID
	if b[3]&flagObject != 0 {
		object = readUUID(&r.Cursor, r.big)
	}
	if !r.OK() {
		f.Anomaly("dce_rpc_bad_call", "")
		return
	}
	stubBytes := c.stubBytes(b, r.Offset())
	if b[3]&flagFirst == 0 {
		if k := c.find(id); k != nil {
			k.last = f.Now
			k.requestBytes += stubBytes
		}
		return
	}
	if c.find(id) != nil || len(c.calls) == maxCalls {
		c.evict(f, id)
	}
	c.calls = append(c.calls, call{id: id, context: ctx, opnum: opnum, first: f.Now, last: f.Now,
		requestBytes: stubBytes, object: object, encrypted: c.encrypts(f, b)})
	if k := &c.calls[len(c.calls)-1]; c.wants(b) {
		c.arguments(f, k, stubOf(b, r.Offset()), r.big)
	}
}

// encrypts reports whether a PDU's stub cannot be read, and tells it of the
// session the first time.
func (c *Conn) encrypts(f *protocol.Flow, b []byte) bool {
	if authLength(b) == 0 || c.auth.level < levelPrivacy {
		return false
	}
	if c.Pipe == "" {
		f.SetEncrypted()
	}
	return true
}

// stubOf returns the part of the stub that is there, without the trailer.
func stubOf(b []byte, from int) []byte {
	end := len(b)
	if k := authLength(b); k > 0 {
		end = min(end, pduLength(b)-k-trailerBytes)
	}
	return b[min(from, max(end, from)):max(end, from)]
}

// stubBytes returns the stub's length on the wire.
func (c *Conn) stubBytes(b []byte, from int) uint64 {
	n := pduLength(b) - from
	if k := authLength(b); k > 0 {
		n -= k + trailerBytes
	}
	return uint64(max(n, 0))
}

// arguments looks at the stub of a request.
func (c *Conn) arguments(f *protocol.Flow, k *call, stub []byte, big bool) {
	iface := c.iface(k.context)
	switch {
	case isMapper(iface):
		k.tower, k.hasTower = findTower(stub)
	case isActivator(iface):
		if name := findClass(stub); name != "" {
			k.args = append(k.args, name)
		}
	default:
		var end int
		k.args, end = appendArgs(nil, stub, big)
		if zeroCredential(iface, k.opnum, stub, end) && !c.zeroTold {
			c.zeroTold = true
			f.Anomaly("netlogon_zero_credential", iface.Operation(k.opnum))
		}
	}
}

func (c *Conn) find(id uint32) *call {
	for i := len(c.calls) - 1; i >= 0; i-- {
		if c.calls[i].id == id {
			return &c.calls[i]
		}
	}
	return nil
}

// evict tells the call with an identifier, or else the oldest, as unanswered.
func (c *Conn) evict(f *protocol.Flow, id uint32) {
	k := 0
	for i := range c.calls {
		if c.calls[i].id == id {
			k = i
		}
	}
	c.emit(f, &c.calls[k], 0, false)
	c.remove(k)
}

func (c *Conn) remove(i int) {
	n := copy(c.calls[i:], c.calls[i+1:])
	c.calls[i+n] = call{}
	c.calls = c.calls[:i+n]
}

// response reads an answer, or a further fragment of one.
func (c *Conn) response(f *protocol.Flow, r *reader, b []byte, id uint32) {
	r.Skip(4)
	ctx := r.u16()
	r.Skip(2)
	if !r.OK() {
		f.Anomaly("dce_rpc_bad_call", "")
		return
	}
	c.settle(f, true)
	k := c.find(id)
	if k == nil {
		return
	}
	if k.answered == 0 {
		k.answered = f.Now
	}
	k.responseBytes += c.stubBytes(b, r.Offset())
	k.encrypted = k.encrypted || c.encrypts(f, b)
	if isMapper(c.iface(ctx)) && authLength(b) == 0 {
		if t, ok := findTower(stubOf(b, r.Offset())); ok {
			k.tower, k.hasTower = t, true
		}
	}
	if b[3]&flagLast != 0 {
		c.finish(f, id, 0, false)
	}
}

// settle tells the result of an authentication from the first answer after it.
func (c *Conn) settle(f *protocol.Flow, ok bool) {
	if c.auth.awaits {
		c.auth.awaits = false
		c.security.Result(f, ok)
	}
}

func (c *Conn) fault(f *protocol.Flow, r *reader, id uint32) {
	r.Skip(8)
	status := r.u32()
	if !r.OK() {
		f.Anomaly("dce_rpc_bad_call", "")
		return
	}
	c.settle(f, status != faultAccess && status != faultSecPackage)
	if k := c.find(id); k != nil {
		k.answered = f.Now
		c.finish(f, id, status, true)
	}
}

func (c *Conn) finish(f *protocol.Flow, id uint32, status uint32, fault bool) {
	for i := len(c.calls) - 1; i >= 0; i-- {
		if c.calls[i].id == id {
			c.emit(f, &c.calls[i], status, fault)
			c.remove(i)
			return
		}
	}
}

// emit writes the record of a call.
func (c *Conn) emit(f *protocol.Flow, k *call, status uint32, fault bool) {
	r := &c.rec
	*r = Record{call: k, status: status, fault: fault, auth: authName(c.auth.kind), level: c.auth.level}
	r.pipe = c.secAddr
	if r.pipe == "" && c.Pipe != "" {
		r.pipe = `\pipe\` + strings.TrimPrefix(c.Pipe, `\`)
	}
	if i := c.contextIndex(k.context); i >= 0 {
		x := &c.contexts[i]
		r.endpoint, r.uuid, r.iface, r.hasUUID, r.major, r.minor = x.name, x.uuid, x.iface, true, x.major, x.minor
	} else if iface := c.iface(k.context); iface != nil {
		r.endpoint, r.uuid, r.iface, r.hasUUID = iface.Name, iface.UUID, iface, true
	}
	f.Emit(r)
}

func authName(kind uint8) string {
	switch kind {
	case 0:
		return ""
	case authSPNEGO:
		return "spnego"
	case authNTLM:
		return "ntlm"
	case authTLS:
		return "tls"
	case authKerberos:
		return "kerberos"
	case authNetlogon:
		return "netlogon"
	}
	return "other"
}
