package sshmore

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Screen is what a terminal shows: enough of one to read what programs draw
// that change only what differs. The zero value is not ready; use NewScreen.
type Screen struct {
	lines       [][]rune
	x, y        int
	top, bottom int // of the scrolling region
}

// NewScreen makes an empty screen of a size in columns and rows ("80x24").
func NewScreen(size string) (*Screen, error) {
	var columns, rows int
	if _, err := fmt.Sscanf(size, "%dx%d", &columns, &rows); err != nil || columns < 1 || rows < 1 {
		return nil, fmt.Errorf("screen size %q, want one like 80x24", size)
	}
	s := &Screen{lines: make([][]rune, rows), bottom: rows - 1}
	for i := range s.lines {
		s.lines[i] = blank(columns)
	}
	return s, nil
}

func blank(columns int) []rune { return []rune(strings.Repeat(" ", columns)) }

// Text is the whole screen, a line each.
func (s *Screen) Text() string {
	var b strings.Builder
	for _, l := range s.lines {
		b.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return b.String()
}

// Before is the cursor's line up to the cursor.
func (s *Screen) Before() string { return string(s.lines[s.y][:min(s.x, len(s.lines[s.y]))]) }

// Write shows what a program wrote, and returns how much of it: a sequence or
// character that is not whole yet is for the next call.
func (s *Screen) Write(data []byte) (n int) {
	for n < len(data) {
		size := s.one(data[n:])
		if size == 0 {
			break
		}
		n += size
	}
	return n
}

// one shows one character or sequence and returns its size, 0 if it is not
// whole.
func (s *Screen) one(data []byte) int {
	switch c := data[0]; {
	case c == '\x1b':
		return s.escape(data)
	case c == '\r':
		s.x = 0
	case c == '\n':
		s.feed()
	case c == '\b':
		s.x = max(s.x-1, 0)
	case c < ' ':
	default:
		if !utf8.FullRune(data) {
			return 0
		}
		r, size := utf8.DecodeRune(data)
		if s.x >= len(s.lines[s.y]) {
			s.x = 0
			s.feed()
		}
		s.lines[s.y][s.x] = r
		s.x++
		return size
	}
	return 1
}

// feed goes to the next line; at the end of the region its lines move up.
func (s *Screen) feed() {
	if s.y != s.bottom {
		s.y = min(s.y+1, len(s.lines)-1)
		return
	}
	copy(s.lines[s.top:s.bottom], s.lines[s.top+1:s.bottom+1])
	s.lines[s.bottom] = blank(len(s.lines[s.top]))
}

func (s *Screen) escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '[':
		end := bytes.IndexFunc(data[2:], func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			return 0
		}
		s.control(data[2+end], string(data[2:2+end]))
		return end + 3
	case ']': // a title
		if end := bytes.IndexByte(data, '\a'); end >= 0 {
			return end + 1
		}
		return 0
	case '(', ')':
		return min(3, len(data)) / 3 * 3
	}
	return 2
}

// control does what moves the cursor or removes text; colours and modes change
// nothing here.
func (s *Screen) control(final byte, text string) {
	arg := func(i, otherwise int) int {
		if f := strings.Split(text, ";"); i < len(f) {
			if n, err := strconv.Atoi(f[i]); err == nil && n > 0 {
				return min(n, 1<<12)
			}
		}
		return otherwise
	}
	rows, columns := len(s.lines), len(s.lines[0])
	switch final {
	case 'H', 'f':
		s.y, s.x = min(arg(0, 1), rows)-1, min(arg(1, 1), columns)-1
	case 'A':
		s.y = max(s.y-arg(0, 1), 0)
	case 'B':
		s.y = min(s.y+arg(0, 1), rows-1)
	case 'C':
		s.x = min(s.x+arg(0, 1), columns-1)
	case 'D':
		s.x = max(s.x-arg(0, 1), 0)
	case 'r':
		if top, bottom := arg(0, 1)-1, min(arg(1, rows), rows)-1; top < bottom {
			s.top, s.bottom, s.x, s.y = top, bottom, 0, 0
		}
	case 'X':
		s.clear(s.y, s.x, min(s.x+arg(0, 1), columns))
	case 'K':
		switch arg(0, 0) {
		case 0:
			s.clear(s.y, s.x, columns)
		case 1:
			s.clear(s.y, 0, min(s.x+1, columns))
		default:
			s.clear(s.y, 0, columns)
		}
	case 'J':
		first := 0
		if arg(0, 0) == 0 {
			s.clear(s.y, s.x, columns)
			first = s.y + 1
		}
		for y := first; y < rows; y++ {
			s.clear(y, 0, columns)
		}
	}
}

func (s *Screen) clear(y, from, to int) {
	for x := from; x < to; x++ {
		s.lines[y][x] = ' '
	}
}
