package protocol

import "tyto/session"

// Inferring is implemented by analyzers whose record tells, when the session is
// over, also what the session sounds like.
type Inferring interface {
	// Infer is called before Close with the codes of what was heard, empty for
	// nothing. The list is valid until it returns.
	Infer(heard []string)
}

// Inferring returns a session's analyzer if it wants to know what was heard in the
// session, else nil. It is told before Close.
func (e *Engine) Inferring(s *session.Session) Inferring {
	f := e.Flow(s)
	if f == nil || f.phase != reading {
		return nil
	}
	a, _ := f.analyzer.(Inferring)
	return a
}
