package protocol

import "tyto/session"

// maxGuests is how many protocols a session may carry beside its own.
const maxGuests = 3

// Pass gives a datagram to another protocol that shares the session with the
// analyzer's: media and DTLS beside STUN (RFC 7983). The named protocol's probe
// judges it first, and from its Sure on, or from its Likely if nothing better
// follows, an analyzer of its own reads all that was and will be passed. It
// returns true once the protocol is recognised; that the session's app is now
// another is for the caller to tell. Names that are not of a definition, and
// more than a few, are ignored. Roles stay as they are. Only for datagrams, and
// not for an analyzer that is itself a guest.
func (f *Flow) Pass(name string, dir session.Direction, data []byte) bool {
	i, ok := f.engine.set.index[name]
	if !ok || i == Unknown || int(i) > len(f.engine.set.defs) || f.host != nil || !f.Datagram() {
		return false
	}
	g := f.guest(uint8(i - 1))
	if g == nil {
		return false
	}
	g.Now = f.Now
	f.engine.deliver(g, dir, data)
	if g.phase == reading && g.skip[0] >= SkipAll/2 && g.skip[1] >= SkipAll/2 {
		f.engine.finish(g)
	}
	return g.def != nil
}

// guest returns the flow of a guest, a new one if there is room.
func (f *Flow) guest(which uint8) *Flow {
	for k := range f.guests {
		g := f.guests[k]
		if g == nil {
			g = f.engine.newFlow(f.Session)
			g.host, g.wanted = f, which
			g.pending.add(which)
			if f.engine.set.defs[which].Probe == nil {
				g.phase = finished
			}
			f.guests[k] = g
		}
		if g.wanted == which {
			return g
		}
	}
	return nil
}

// closeGuests ends the protocols beside the one that ends.
func (e *Engine) closeGuests(f *Flow) {
	for k, g := range f.guests {
		if g == nil {
			continue
		}
		g.Now = f.Now
		if g.phase == probing && g.hints[0].which > 0 {
			e.guess(g)
		}
		e.finish(g)
		e.recycle(g)
		f.guests[k] = nil
	}
}
