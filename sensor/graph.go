package sensor

import (
	"fmt"
	"math"

	"tyto/entity"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// learn takes the chunk's facts with more at their end, and places these in the
// order of records: the writer adds them to the graph.
func (l *lane) learn(facts []entity.Fact) {
	more := len(facts) - len(l.chunk.facts)
	l.chunk.facts = facts
	for n := more; n > 0; n -= math.MaxUint8 {
		l.chunk.entries = append(l.chunk.entries, entry{key: l.key, stream: factEntry, holes: uint8(min(n, math.MaxUint8))})
	}
}

// learnSession tells the graph of a session that is over.
func (l *lane) learnSession(s *session.Session, f *protocol.Flow) {
	domain, source := "", ""
	if f != nil {
		domain, source = f.Domain()
	}
	l.learn(l.reader.Session(l.chunk.facts, s, l.set.AppName(s.App), domain, source))
}

// arp tells the graph of an ARP message.
func (l *lane) arp(p *packet.Packet) {
	l.learn(l.reader.ARP(l.chunk.facts, p.Time, &p.Rare.ARP))
}

// writeGraph writes the graph's entities and relations.
func (o *output) writeGraph() error {
	if len(o.streams) == 0 || !o.streams[0].takesAll() {
		return nil
	}
	for x := range o.graph.Entities() {
		if err := o.writeRecord(x); err != nil {
			return err
		}
	}
	for x := range o.graph.Relations() {
		if err := o.writeRecord(x); err != nil {
			return err
		}
	}
	return nil
}

// writeRecord writes a record that is about no session, as a JSON line and as a
// row.
func (o *output) writeRecord(r protocol.Record) error {
	for i := range o.streams {
		if !o.streams[i].takesAll() {
			continue
		}
		e := record.Encoder{Buf: o.scratch[:0], Format: o.streams[i].format}
		e.Begin(r.Schema())
		r.Append(&e)
		e.End()
		o.scratch = e.Buf
		if err := endRecord(o.writers[i], e.Buf); err != nil {
			return fmt.Errorf("write records: %w", err)
		}
	}
	return nil
}
