package sensor

import (
	"fmt"
	"slices"

	"tyto/packet"
	"tyto/session"
)

// keeper passes frames on to Config.Keep, in order, while the records of the
// same job are written. A nil keeper keeps nothing and costs nothing.
type keeper struct {
	keep func(f *packet.Frame, own session.UID, carriers []session.UID) error
	jobs chan *job
	done chan error
	uids []session.UID // of the frame at hand
}

func newKeeper(c Config) *keeper {
	if c.Keep == nil {
		return nil
	}
	k := &keeper{keep: c.Keep, jobs: make(chan *job), done: make(chan error)}
	go func() {
		for j := range k.jobs {
			k.done <- k.pass(j)
		}
	}()
	return k
}

// beside keeps the frames of a job while write runs.
func (k *keeper) beside(j *job, write func() error) error {
	if k == nil {
		return write()
	}
	k.jobs <- j
	err := write()
	if kept := <-k.done; err == nil {
		err = kept
	}
	return err
}

func (k *keeper) close() {
	if k != nil {
		close(k.jobs)
	}
}

func (k *keeper) pass(j *job) error {
	nested := j.nested
	for i := range j.block.Frames {
		k.uids = k.uids[:0]
		if len(j.parents) > 0 && !j.parents[i].IsZero() {
			k.uids = append(k.uids, j.parents[i])
		}
		for ; len(nested) > 0 && nested[0].index == i; nested = nested[1:] {
			k.uids = append(k.uids, nested[0].uid)
		}
		if err := k.keep(&j.block.Frames[i], j.uids[i], k.uids); err != nil {
			return fmt.Errorf("keep packets: %w", err)
		}
	}
	return nil
}

// nested is a tunnel that carried the tunnel before it in the list, or the one
// in job.parents, of a frame.
type nested struct {
	index int
	uid   session.UID
}

// nest notes the tunnels around a frame's innermost one; uids are outermost
// first.
func (j *job) nest(i int, innermost session.UID, uids []session.UID) {
	for _, uid := range slices.Backward(uids) {
		if !uid.IsZero() && uid != innermost {
			j.nested = append(j.nested, nested{i, uid})
		}
	}
}

// own makes room for the sessions of a job's frames.
func (j *job) own(n int) {
	j.nested = j.nested[:0]
	if cap(j.uids) < n {
		j.uids = make([]session.UID, n+n/4)
	}
	j.uids = j.uids[:n]
	clear(j.uids)
}

// loose are the sessions of ICMP messages that nothing answers, which Tracker.Has
// does not find.
type loose map[session.Tuple]session.UID

// note notes the session of a message.
func (l loose) note(s *session.Session) {
	if l == nil || s.Proto != packet.ProtoICMP && s.Proto != packet.ProtoICMPv6 {
		return
	}
	if _, answers := counterpart(s.Proto, s.OrigPort); !answers {
		l[s.Tuple] = s.UID
	}
}

// forget forgets a session that is over.
func (l loose) forget(s *session.Session) {
	if l != nil && l[s.Tuple] == s.UID {
		delete(l, s.Tuple)
	}
}

// uidOf returns the session of a packet that the tracker just took; zero if it is
// of none.
func (l *lane) uidOf(p *packet.Packet, hash uint64) session.UID {
	if p.Version == 0 || p.Fragment {
		return session.UID{}
	}
	k := session.Tuple{Orig: p.Src, Resp: p.Dst, Proto: p.Proto}
	if p.Transport {
		k.OrigPort, k.RespPort = p.SrcPort, p.DstPort
	}
	if p.Proto == packet.ProtoICMP || p.Proto == packet.ProtoICMPv6 {
		other, answers := counterpart(p.Proto, p.SrcPort)
		if !answers || !p.Transport {
			return l.loose[k]
		}
		k.RespPort = other
	}
	if s, ok := l.tracker.Has(k, hash); ok {
		return s.UID
	}
	return session.UID{}
}

// counterpart returns the ICMP type that answers a type, or that it answers.
func counterpart(proto uint8, kind uint16) (uint16, bool) {
	pairs := [][2]uint16{{8, 0}, {10, 9}, {13, 14}, {15, 16}, {17, 18}}
	if proto == packet.ProtoICMPv6 {
		pairs = [][2]uint16{{128, 129}, {130, 131}, {133, 134}, {135, 136}, {139, 140}, {144, 145}}
	}
	for _, p := range pairs {
		switch kind {
		case p[0]:
			return p[1], true
		case p[1]:
			return p[0], true
		}
	}
	return 0, false
}
