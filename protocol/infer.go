package protocol

import "tyto/session"

// Inferring is implemented by analyzers whose record tells, when the session is
// over, also what the session sounds like.
type Inferring interface {
	// Infer is called before Close with the codes of what was heard, empty for
	// nothing. The list is valid until it returns.
	Infer(heard []string)
}

// Infers reports whether a session's analyzer wants to know what was heard in it.
func (e *Engine) Infers(s *session.Session) bool {
	f := e.Flow(s)
	if f == nil || f.phase != reading {
		return false
	}
	_, ok := f.analyzer.(Inferring)
	return ok
}

// Infer tells a session's analyzer, if it wants to know, what was heard in the
// session. Close comes after it.
func (e *Engine) Infer(s *session.Session, heard []string) {
	if f := e.Flow(s); f != nil && f.phase == reading {
		if a, ok := f.analyzer.(Inferring); ok {
			a.Infer(heard)
		}
	}
}
