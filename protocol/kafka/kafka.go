// Package kafka reads the wire protocol of Apache Kafka: which clients use
// which operations, how often, and how they log in.
//
// Kafka sessions are long and busy: one record sums up an operation.
package kafka

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of kafka.
var Definition = protocol.Definition{
	Name:       "kafka",
	Doc:        "Apache Kafka wire protocol: recognised by a request header with a client name, or by a request and the answer to it.",
	Transports: protocol.TCP,
	Ports:      []uint16{9092},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the kafka record.
var Schema = record.New("kafka", "", "all requests of one kind in a Kafka session",
	record.Field{Name: "api", Type: record.String, Doc: "Operation, or its number."},
	record.Field{Name: "api_version", Type: record.Count, Doc: "Version of the operation."},
	record.Field{Name: "client_id", Type: record.String, Doc: "Name the client gave itself."},
	record.Field{Name: "requests", Type: record.Count, Doc: "Requests."},
	record.Field{Name: "responses", Type: record.Count, Doc: "Responses to them."},
	record.Field{Name: "request_bytes", Type: record.Count, Doc: "Bytes of the requests."},
	record.Field{Name: "response_bytes", Type: record.Count, Doc: "Bytes of the responses."},
	record.Field{Name: "mechanism", Type: record.String, Doc: "SASL mechanism of the session."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the session, for mechanisms that show it."},
)

// Bounds of what is kept.
const (
	maxText    = 128
	maxTable   = 64      // kinds of requests; further ones are not counted
	maxPending = 256     // requests without a response
	maxLook    = 512     // bytes of a message that are looked at
	maxSize    = 1 << 30 // of a message
	maxKey     = 92      // numbers of operations in use
	maxVersion = 20
)

// Operations that are read further.
const (
	apiSaslHandshake = 17
	apiSaslAuth      = 36
)

var apiNames = [...]string{"Produce", "Fetch", "ListOffsets", "Metadata", "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown",
	"OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups", "ListGroups",
	"SaslHandshake", "ApiVersions", "CreateTopics", "DeleteTopics", "DeleteRecords", "InitProducerId", "OffsetForLeaderEpoch",
	"AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers", "TxnOffsetCommit", "DescribeAcls", "CreateAcls", "DeleteAcls",
	"DescribeConfigs", "AlterConfigs", "AlterReplicaLogDirs", "DescribeLogDirs", "SaslAuthenticate", "CreatePartitions",
	"CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken", "DescribeDelegationToken", "DeleteGroups", "ElectLeaders",
	"IncrementalAlterConfigs", "AlterPartitionReassignments", "ListPartitionReassignments", "OffsetDelete", "DescribeClientQuotas",
	"AlterClientQuotas", "DescribeUserScramCredentials", "AlterUserScramCredentials"}

// request is a request's header.
type request struct {
	size        int // behind the length field
	key         uint16
	version     uint16
	correlation uint32
	client      []byte
}

// parse reads a header; the verdict is No if it cannot be one and More if bytes
// are missing.
func parse(b []byte) (r request, v protocol.Verdict) {
	c := wire.New(b)
	size := c.U32()
	r.key, r.version, r.correlation = c.U16(), c.U16(), c.U32()
	n := int16(c.U16())
	r.size = int(size)
	switch {
	case len(b) >= 4 && (size < 10 || size > maxSize), len(b) >= 6 && r.key > maxKey, len(b) >= 8 && r.version > maxVersion,
		len(b) >= 14 && (n < -1 || int(n) > r.size-10 || n > 255):
		return r, protocol.No
	case !c.OK():
		return r, protocol.More
	}
	r.client = c.Bytes(max(int(n), 0))
	if !c.OK() {
		return r, protocol.More
	}
	if !textline.Printable(r.client) {
		return r, protocol.No
	}
	return r, protocol.Likely
}

func probe(e *protocol.Evidence) protocol.Verdict {
	best := protocol.No
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		r, v := parse(b)
		if v == protocol.No {
			continue
		}
		other := wire.New(e.Data[dir^1])
		size, correlation := other.U32(), other.U32()
		if v == protocol.Likely && other.OK() {
			if correlation == r.correlation && size >= 4 && size <= maxSize {
				e.Reversed = dir == int(session.Resp)
				return protocol.Sure
			}
			continue
		}
		// Alone: over 40 bits of header if the client has a name and the length
		// is that of the first segment.
		if v == protocol.Likely && len(r.client) >= 3 && len(b) == 4+r.size && r.key < uint16(len(apiNames)) && len(e.Data[dir^1]) == 0 {
			e.Reversed = dir == int(session.Resp)
			return protocol.Sure
		}
		best = protocol.More
		if v == protocol.Likely && e.RespPort == 9092 && dir == int(session.Orig) && len(b) == 4+r.size {
			best = protocol.Likely
		}
	}
	return best
}

type kind struct {
	key, version                        uint16
	client                              []byte
	requests, responses, sent, received uint64
}

type pending struct {
	correlation uint32
	kind        int // index in kinds, -1 if it is not counted
	key         uint16
	version     uint16
}

type analyzer struct {
	kinds           []kind
	pending         [maxPending]pending
	head, n         int // ring
	mechanism, user []byte
	raw             bool // SASL messages come without a header (handshake version 0)
	rec             kafkaRecord
}

type kafkaRecord struct {
	a *analyzer
	k *kind
}

func (r *kafkaRecord) Schema() *record.Schema { return Schema }

func (r *kafkaRecord) Append(e *record.Encoder) {
	k := r.k
	if int(k.key) < len(apiNames) {
		e.Str(apiNames[k.key])
	} else {
		e.Str("other")
	}
	e.Uint(uint64(k.version))
	e.Bytes(k.client)
	e.Uint(k.requests)
	e.Uint(k.responses)
	e.Uint(k.sent)
	e.Uint(k.received)
	e.Bytes(r.a.mechanism)
	e.Bytes(r.a.user)
}

// Parse reads one message, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	size := int(c.U32())
	if !c.OK() || c.Len() < min(size, maxLook) {
		if c.OK() && size > maxSize {
			a.invalid(f)
			return len(data)
		}
		return 0
	}
	if size > maxSize {
		a.invalid(f)
		return len(data)
	}
	if dir == session.Orig {
		a.request(f, data[:4+min(size, maxLook)])
	} else {
		a.response(f, size, c.Rest()[:min(size, maxLook)])
	}
	return 4 + size
}

func (a *analyzer) invalid(f *protocol.Flow) {
	f.Anomaly("kafka_invalid_message", "")
	a.Close(f)
	f.Finish()
}

// Close tells the operations.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.kinds {
		a.rec = kafkaRecord{a: a, k: &a.kinds[i]}
		f.Emit(&a.rec)
	}
	a.kinds = nil
}

func (a *analyzer) request(f *protocol.Flow, b []byte) {
	r, v := parse(b)
	if a.raw && v != protocol.Likely {
		a.secret(f, b[4:])
		return
	}
	if v != protocol.Likely {
		a.invalid(f)
		return
	}
	which := -1
	for i := range a.kinds {
		if k := &a.kinds[i]; k.key == r.key && k.version == r.version && bytes.Equal(k.client, r.client[:min(len(r.client), maxText)]) {
			which = i
			break
		}
	}
	if which < 0 && len(a.kinds) < maxTable {
		a.kinds = append(a.kinds, kind{key: r.key, version: r.version, client: textline.Set(nil, r.client, maxText)})
		which = len(a.kinds) - 1
	}
	if which >= 0 {
		a.kinds[which].requests++
		a.kinds[which].sent += uint64(r.size)
	}
	body := wire.New(b[14+len(r.client):])
	switch r.key {
	case apiSaslHandshake:
		name := body.Vec16()
		a.mechanism = textline.Set(a.mechanism, name.Rest(), 32)
		a.raw = r.version == 0
	case apiSaslAuth:
		var msg []byte
		if r.version >= 2 { // compact forms (KIP-482)
			body.U8()
			n := int(body.U8())
			if n >= 0x80 {
				n = n&0x7f | int(body.U8())<<7
			}
			msg = body.Bytes(n - 1)
		} else {
			msg = body.Bytes(int(body.U32()))
		}
		a.secret(f, msg)
	case 0: // acks of 0 means that no response comes
		if acks, ok := produceAcks(r.version, &body); ok && acks == 0 {
			return
		}
	}
	if a.n == maxPending {
		a.head = (a.head + 1) % maxPending
		a.n--
	}
	a.pending[(a.head+a.n)%maxPending] = pending{correlation: r.correlation, kind: which, key: r.key, version: r.version}
	a.n++
}

// produceAcks reads how many replicas have to acknowledge a Produce request.
func produceAcks(version uint16, c *wire.Cursor) (acks int16, ok bool) {
	switch {
	case version >= 9:
		c.U8()
		n := int(c.U8()) // a transactional name, mostly none
		if n > 1 {
			c.Skip(n - 1)
		}
	case version >= 3:
		if n := int16(c.U16()); n > 0 {
			c.Skip(int(n))
		}
	}
	acks = int16(c.U16())
	return acks, c.OK()
}

// secret finds the user in a message of the mechanism.
func (a *analyzer) secret(f *protocol.Flow, msg []byte) {
	var user []byte
	switch {
	case string(a.mechanism) == "PLAIN":
		if user = textline.PlainUser(msg); user == nil {
			return
		}
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(user[:min(len(user), maxText)])})
	case bytes.HasPrefix(a.mechanism, []byte("SCRAM")): // RFC 5802 section 7
		i := bytes.Index(msg, []byte("n="))
		if i < 0 || len(a.user) > 0 {
			return
		}
		user, _, _ = bytes.Cut(msg[i+2:], []byte{','})
	default:
		return
	}
	a.user = textline.Set(a.user, user, maxText)
}

func (a *analyzer) response(f *protocol.Flow, size int, b []byte) {
	c := wire.New(b)
	correlation := c.U32()
	for i := 0; i < a.n; i++ {
		p := a.pending[(a.head+i)%maxPending]
		if p.correlation != correlation {
			continue
		}
		// Responses come in order: what stands before has none.
		a.head = (a.head + i + 1) % maxPending
		a.n -= i + 1
		if p.kind >= 0 {
			a.kinds[p.kind].responses++
			a.kinds[p.kind].received += uint64(size)
		}
		if p.key == apiSaslAuth {
			a.login(f, p.version, &c)
		}
		return
	}
}

// login reads the error code of a SaslAuthenticate response; 58 is a refusal.
func (a *analyzer) login(f *protocol.Flow, version uint16, c *wire.Cursor) {
	if version >= 2 {
		c.U8()
	}
	code := c.U16()
	if !c.OK() || len(a.user) == 0 {
		return
	}
	kind := protocol.LoginFailed
	if code == 0 {
		kind = protocol.LoginOK
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(a.user)})
}
