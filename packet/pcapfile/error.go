package pcapfile

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

// Error says what is wrong with a capture, where, and what to do about it.
type Error struct {
	Name    string // of the capture
	Problem string
	Hint    string // what to do; may be empty

	// Where the capture breaks: bytes of it, after decompression, and frames
	// that are good and were delivered. Both are zero if it could not be opened.
	Offset int64
	Frames uint64

	// Unpacked says that Offset counts decompressed bytes.
	Unpacked bool

	// Truncated says that the capture merely ends too early: every frame before
	// the end was delivered, as if the capture had been stopped there.
	Truncated bool

	Err error // what the system or the decompressor said; may be nil
}

// Error returns one line.
func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(e.Name)
	s.WriteString(": ")
	if e.Offset > 0 {
		switch e.Frames {
		case 0:
			s.WriteString("before any packet, at byte ")
		case 1:
			s.WriteString("after 1 packet, at byte ")
		default:
			s.WriteString("after ")
			s.WriteString(strconv.FormatUint(e.Frames, 10))
			s.WriteString(" packets, at byte ")
		}
		s.WriteString(strconv.FormatInt(e.Offset, 10))
		if e.Unpacked {
			s.WriteString(" of the decompressed data")
		}
		s.WriteString(": ")
	}
	s.WriteString(e.Problem)
	if e.Err != nil {
		s.WriteString(": ")
		s.WriteString(e.Err.Error())
	}
	if e.Hint != "" {
		s.WriteString("; ")
		s.WriteString(e.Hint)
	}
	return s.String()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// openError describes why a file cannot be opened.
func openError(path string, err error) *Error {
	e := &Error{Name: path, Problem: "cannot be opened", Err: err}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.Err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = "check the path"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "captures usually belong to root: run as a user who may read the file, or change its mode"
	}
	return e
}
