package session

import "tyto/packet"

// State is the state of a session in Zeek's terms (conn_state).
type State uint8

// States. What Zeek calls established needs a SYN and its SYN ACK.
const (
	StateOTH    State = iota // no SYN seen, or not TCP or UDP: mid-session traffic
	StateS0                  // attempt seen, no reply
	StateS1                  // established, not terminated
	StateSF                  // established and terminated normally
	StateREJ                 // attempt rejected
	StateS2                  // established, close attempt by the originator only
	StateS3                  // established, close attempt by the responder only
	StateRSTO                // established, the originator aborted
	StateRSTR                // the responder aborted
	StateRSTOS0              // the originator sent SYN, then RST; no SYN ACK seen
	StateRSTRH               // the responder sent SYN ACK, then RST; no SYN seen
	StateSH                  // the originator sent SYN, then FIN; no SYN ACK seen
	StateSHR                 // the responder sent SYN ACK, then FIN; no SYN seen
)

var stateNames = [...]string{"OTH", "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR"}

// String returns Zeek's name of the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "OTH"
}

// phase is where one side of a TCP session is.
type phase uint8

const (
	inactive    phase = iota // nothing seen from this side
	synSent                  // SYN
	synAckSent               // SYN ACK without a SYN before it
	partial                  // packets without a handshake
	established              // handshake seen
	closed                   // FIN
	reset                    // RST
)

// tcpState returns the state of a TCP session from what its two sides did.
func tcpState(o, r *Endpoint) State {
	op, rp := o.tcp.phase, r.tcp.phase
	oQuiet := op == inactive || op == partial
	rQuiet := rp == inactive || rp == partial
	switch {
	case rp == reset:
		switch {
		case op == synSent || op == synAckSent || op == reset && o.Bytes == 0 && r.Bytes == 0:
			return StateREJ
		case oQuiet:
			return StateRSTRH
		}
		return StateRSTR
	case op == reset:
		if rQuiet {
			return StateRSTOS0
		}
		return StateRSTO
	case op == closed && rp == closed:
		return StateSF
	case op == closed:
		if rQuiet {
			return StateSH
		}
		return StateS2
	case rp == closed:
		if oQuiet {
			return StateSHR
		}
		return StateS3
	case op == synSent && rp == inactive:
		return StateS0
	case op == established && rp == established:
		return StateS1
	}
	return StateOTH
}

// finalState returns the state a session is logged with.
func finalState(s *Session) State {
	o, r := &s.Sides[Orig], &s.Sides[Resp]
	switch s.Proto {
	case packet.ProtoTCP:
		return tcpState(o, r)
	case packet.ProtoUDP:
		switch {
		case o.Packets > 0 && r.Packets > 0:
			return StateSF
		case o.Packets > 0:
			return StateS0
		case r.Packets > 0:
			return StateSHR
		}
	}
	return StateOTH
}
