package pcapfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	magicGzip = "\x1f\x8b"
	magicZstd = "\x28\xb5\x2f\xfd"

	// sniffBytes tells what a file is; the farthest magic is that of tar.
	sniffBytes = 512
	// longestHeader is the longest header of a format that is read.
	longestHeader = classicHeader

	maxPacking = 2 // how often a capture may be compressed
)

// start finds out what the input is, up to the first packet.
func (r *Reader) start() error {
	var packing string
	for range maxPacking + 1 {
		head, err := r.sniff()
		if err != nil {
			return err
		}
		kind, err := r.unpack(head)
		if err != nil {
			return r.packError(err)
		}
		if kind != "" {
			packing = " in " + kind + packing
			continue
		}
		dec, format, used, f := newDecoder(head)
		if f != nil {
			return r.startError(f)
		}
		r.dec, r.format = dec, format+packing
		r.tail, r.off = append(r.tail, head[used:]...), int64(used)
		return nil
	}
	return &Error{Name: r.name, Problem: "is compressed too many times over", Hint: "decompress it first"}
}

// sniff reads the first bytes. A pipe is not waited for longer than a header
// needs.
func (r *Reader) sniff() ([]byte, error) {
	head := make([]byte, sniffBytes)
	n := 0
	for n < longestHeader && r.end == nil {
		n += r.read(head[n:])
	}
	head = head[:n]
	switch {
	case n == 0 && r.end == io.EOF && r.close != nil:
		return nil, &Error{Name: r.name, Problem: "is compressed but empty", Hint: "the capture was not written"}
	case n == 0 && r.end == io.EOF && r.in.path == "":
		return nil, &Error{Name: r.name, Problem: "ended without a single byte", Hint: "check that the program that writes to it runs"}
	case n == 0 && r.end == io.EOF:
		return nil, &Error{Name: r.name, Problem: "is empty (0 bytes)", Hint: "the capture was not written: check the disk and the program that captures"}
	case n >= longestHeader, r.end == io.EOF, n > 0 && r.end == io.ErrUnexpectedEOF:
		return head, nil // an error behind these bytes is met again
	case r.close != nil:
		return nil, r.packError(r.end)
	}
	return nil, r.readError(r.end)
}

// unpack puts a decompressor in front of what head starts, if that is
// compressed, and returns the name of the compression.
func (r *Reader) unpack(head []byte) (kind string, err error) {
	whole := io.MultiReader(bytes.NewReader(head), &after{r.src, r.end})
	outer := r.close
	switch {
	case bytes.HasPrefix(head, []byte(magicGzip)):
		z, err := newGunzip(whole)
		if err != nil {
			return "", err
		}
		r.src, r.close = z, func() {}
		kind = "gzip"
	case isZstd(head):
		z, err := newUnzstd(whole, r.in.window)
		if err != nil {
			return "", err
		}
		r.src, r.close = z, z.close
		kind = "zstd"
	default:
		return "", nil
	}
	if inner := r.close; outer != nil {
		r.close = func() { inner(); outer() }
	}
	r.end = nil
	return kind, nil
}

// after reads on unless the end was met already.
type after struct {
	r   io.Reader
	end error
}

func (a *after) Read(p []byte) (int, error) {
	if a.end != nil {
		return 0, a.end
	}
	return a.r.Read(p)
}

// isZstd also knows the frames that are to be skipped (RFC 8878 section 3.1.2).
func isZstd(h []byte) bool {
	return bytes.HasPrefix(h, []byte(magicZstd)) || len(h) >= 4 && h[0]&0xf0 == 0x50 && string(h[1:4]) == "\x2a\x4d\x18"
}

func (r *Reader) readError(err error) *Error {
	return &Error{Name: r.name, Problem: "cannot be read", Err: err}
}

// packError is for a decompressor that gives nothing.
func (r *Reader) packError(err error) *Error {
	if r.in.err != nil {
		return r.readError(r.in.err)
	}
	f := packFault(err, r.in.ended)
	return &Error{Name: r.name, Problem: f.problem, Err: f.err, Hint: f.hint, Truncated: f.truncated}
}

func (r *Reader) startError(f *fault) *Error {
	e := &Error{Name: r.name, Problem: f.problem, Hint: f.hint, Truncated: f.truncated}
	if r.close != nil {
		e.Problem = "decompressed, it " + f.problem
	}
	return e
}

// newDecoder returns the decoder for a capture that starts with head, and how
// much of head is the file's header.
func newDecoder(head []byte) (dec decoder, format string, used int, f *fault) {
	cut := func(format string, header int) *fault {
		return &fault{truncated: true, problem: fmt.Sprintf("is a %s file cut in its header, after %d of %d bytes", format, len(head), header),
			hint: "it holds no packets"}
	}
	var m uint32
	if len(head) >= 4 {
		m = binary.LittleEndian.Uint32(head)
	}
	switch {
	case isClassicMagic(m) || isClassicMagic(bits.ReverseBytes32(m)):
		if len(head) < classicHeader {
			return nil, "", 0, cut("pcap", classicHeader)
		}
		c, f := newClassic(head)
		return c, "pcap", classicHeader, f
	case m == blockSection:
		if len(head) < blockOverhead {
			return nil, "", 0, cut("pcapng", 28)
		}
		p := &pcapng{}
		return p, "pcapng", 0, p.start(head)
	case bytes.HasPrefix(head, []byte(snoopMagic)):
		if len(head) < snoopHeader {
			return nil, "", 0, cut("snoop", snoopHeader)
		}
		s, f := newSnoop(head)
		return s, "snoop", snoopHeader, f
	}
	return nil, "", 0, foreign(head)
}

// signature is how a file of some other kind starts.
type signature struct {
	at          int
	magic, what string
}

const (
	hintConvert = "convert it with a program that reads it, e.g. editcap IN OUT.pcapng"
	hintUnpack  = "decompress it first"
)

// captures are formats of captures that are not read.
var captures = []signature{
	{0, "RTSS", "a Microsoft Network Monitor 1 capture"},
	{0, "GMBU", "a Microsoft Network Monitor 2 capture"},
	{0, "TRSNIFF data    \x1a", "a Sniffer capture"},
	{0, "XCP\x00", "a NetXRay capture"},
	{0, "btsnoop\x00", "a Bluetooth capture (btsnoop)"},
	{0, "\x7fver", "an OmniPeek capture"},
	{0, "EyeSDN", "an EyeSDN capture"},
	{0, "\x1c\x00\x01\xac", "an Ixia capture"},
	{0, "\xac\x01\x00\x1c", "an Ixia capture"},
	{0, "\x1c\x00\x01\xab", "an Ixia capture"},
	{0, "\xab\x01\x00\x1c", "an Ixia capture"},
	{0, "\x54\x52\x00\x64", "a Visual Networks capture"},
}

// packed are compressions and archives that are not opened.
var packed = []signature{
	{0, "BZh", "bzip2-compressed data"},
	{0, "\xfd7zXZ\x00", "xz-compressed data"},
	{0, "\x04\x22\x4d\x18", "lz4-compressed data"},
	{0, "\x1f\x9d", "compress(1)-compressed data"},
	{0, "PK\x03\x04", "a zip archive"},
	{0, "PK\x05\x06", "an empty zip archive"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7-zip archive"},
	{0, "Rar!\x1a\x07", "a RAR archive"},
	{257, "ustar", "a tar archive"},
}

var foreigners = []signature{
	{0, "\x7fELF", "an ELF program"},
	{0, "MZ", "a Windows program"},
	{0, "\xcf\xfa\xed\xfe", "a macOS program"},
	{0, "%PDF-", "a PDF document"},
	{0, "\x89PNG\r\n", "a PNG image"},
	{0, "\xff\xd8\xff", "a JPEG image"},
	{0, "GIF8", "a GIF image"},
	{0, "SQLite format 3\x00", "an SQLite database"},
	{8, "DUCK", "a DuckDB database"},
	{0, "PAR1", "a Parquet file"},
	{0, "ElfFile\x00", "a Windows event log"},
	{0, "regf", "a Windows registry hive"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"},
	{0, "\x0c\xa5\x01\x00", "an nfdump flow file"},
	{0, "\x0c\xa5\x02\x00", "an nfdump flow file"},
	{0, "\xc1\x0a", "an RRD or flow-tools file"},
	{0, "#separator", "a Zeek log"},
	{0, "<?xml", "an XML text"},
	{0, "<!DOCTYPE html", "an HTML page"},
	{0, "<!doctype html", "an HTML page"},
	{0, "<html", "an HTML page"},
	{0, "#!", "a script"},
}

// foreign says what a file is that is no capture.
func foreign(head []byte) *fault {
	const hint = "give a pcap or pcapng file"
	// Text-mode transfers change line ends, which the first bytes of a pcapng
	// file are there to reveal.
	for _, damaged := range []string{"\n\r\n", "\r\n\r\r\r\n", "\n\n\n", "\r\r\r\r"} {
		if bytes.HasPrefix(head, []byte(damaged)) && (bytes.Contains(head, []byte("\x4d\x3c\x2b\x1a")) || bytes.Contains(head, []byte("\x1a\x2b\x3c\x4d"))) {
			return &fault{problem: "is a pcapng file that was transferred as text, which destroyed it", hint: "transfer it again in binary mode"}
		}
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) {
		return &fault{problem: "is a UTF-16 text, no capture", hint: "PowerShell's > makes one of any output: let the capturing program write the file, as with -w FILE"}
	}
	for _, kind := range []struct {
		list []signature
		hint string
	}{{captures, hintConvert}, {packed, hintUnpack}, {foreigners, hint}} {
		for _, s := range kind.list {
			if len(head) > s.at && bytes.HasPrefix(head[s.at:], []byte(s.magic)) {
				return &fault{problem: "is " + s.what + ", no capture that can be read", hint: kind.hint}
			}
		}
	}
	return &fault{problem: "is no capture: it looks like " + describe(head), hint: hint}
}

// describe tells text of some kinds and shows the first bytes of the rest.
func describe(head []byte) string {
	if len(bytes.Trim(head, "\x00")) == 0 {
		return "nothing but zeros"
	}
	const shown = 16
	if !isText(head) {
		return fmt.Sprintf("binary data of an unknown kind, starting % x", head[:min(len(head), shown)])
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff"))
	switch {
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "a JSON text"
	case strings.HasPrefix(text, "<"):
		return "an HTML or XML text"
	}
	line, _, _ := strings.Cut(text, "\n")
	for len(line) > 2*shown {
		_, n := utf8.DecodeLastRuneInString(line)
		line = line[:len(line)-n]
	}
	return fmt.Sprintf("a text, starting %q", line)
}

// isText allows for a character that is cut at the end.
func isText(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n <= 1 {
			return len(b) < utf8.UTFMax && !utf8.FullRune(b)
		}
		if !unicode.IsPrint(c) && !unicode.IsSpace(c) && c != '\ufeff' && c != '\x1b' {
			return false
		}
		b = b[n:]
	}
	return true
}
