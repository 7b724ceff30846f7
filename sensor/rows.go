package sensor

import (
	"io"

	"tyto/internal/record"
)

// recordWriter is where the records of a stream go.
type recordWriter interface {
	io.Writer
	Flush() error
}

// rowWriter passes records in format record.Row on, one a call, without a copy
// of those that are whole already.
type rowWriter struct {
	to   func(row []byte) error
	part []byte // the start of a record
}

// Write takes a part of a record; end takes its last.
func (w *rowWriter) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	return len(p), nil
}

func (w *rowWriter) end(p []byte) error {
	if len(w.part) == 0 {
		return w.to(p)
	}
	w.part = append(w.part, p...)
	err := w.to(w.part)
	w.part = w.part[:0]
	return err
}

// Flush implements recordWriter: nothing waits.
func (w *rowWriter) Flush() error { return nil }

// endRecord writes the last part of a record.
func endRecord(w recordWriter, p []byte) error {
	if rows, ok := w.(*rowWriter); ok {
		return rows.end(p)
	}
	_, err := w.Write(p)
	return err
}

// takesAll reports whether a stream takes records of every kind, in the forms
// that records about no session have.
func (st *stream) takesAll() bool {
	return st.schema == nil && (st.format == record.JSON || st.format == record.Row)
}
