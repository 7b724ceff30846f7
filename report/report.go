// Package report writes what an analysis found as one HTML page: readable by a
// manager in a minute and by an analyst in ten.
//
// The page stands alone: style, script and pictures are in it, and it asks for
// nothing from anywhere. Without JavaScript all of it can be read. Its text comes
// in part from hostile packets: html/template escapes it, and characters that
// change the direction of text or do not print are replaced.
//
// The same Input makes the same bytes. The page is at most MaxBytes long; what
// was left out is said where it would have been.
package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"

	"tyto/detection"
	"tyto/packet"
	"tyto/triage"
)

// MaxBytes is how long a page is at most.
const MaxBytes = 3 << 20

// Input is what a page is made of. Slices and what they point to are read only.
type Input struct {
	Title string // what was analysed: file names
	// Source is how a command names where the sessions are, such as a file or
	// "--db DIR"; empty if they cannot be had again.
	Source string
	// Stored says that Source is a database, of which packets can be carved.
	Stored bool

	First, Last              int64 // ns since the epoch
	Packets, Bytes, Sessions uint64
	AtHome, Elsewhere        int      // devices
	Encrypted                []string // what part of the payload cannot be read, by direction, in words

	// Judged says that detectors ran; Heard that a model listened.
	Judged, Heard bool
	Cases         []*triage.Case // the weightiest first

	// Named are sessions that findings name; Distinct those in which something
	// distinct was heard, the most interesting first. A session may be in both.
	Named    map[string]*detection.Session // by UID
	Distinct []*detection.Session

	Devices []Device
	// Name returns what people call an address, empty if nothing is known. Nil: nothing is.
	Name func(packet.Addr) string
	// Home reports whether an address is in a home network. Nil: if it is private.
	Home func(packet.Addr) bool

	Notes []Note  // what is worth a look besides the cases, the most telling first
	Lost  []Count // what was not seen or not kept
}

// Device is what is known of a device.
type Device struct {
	Addrs          []packet.Addr // the one it is known by first
	Name           string        // empty if it has none
	Vendor         string
	MACs           []string
	Names          []string // others it is known by
	Users          []string
	Roles          []string // in words, the most certain first
	Serves, Uses   []string // protocols with their sessions
	Software       []string
	Sent, Received uint64 // payload bytes
	Local          bool
}

// Note is something worth a look that is no case.
type Note struct{ Kind, Text, UID string }

// Count is a number of things and what they are.
type Count struct {
	N    uint64
	What string
}

// limits bound what is on a page.
type limits struct {
	cases, others int // told in full, and in a line
	rows          int // of all ledgers
	bands         int
	nodes         int // of a graph
	cards, notes  int
	text          int // runes of a text from the network
}

var usual = limits{cases: 12, others: 60, rows: 600, bands: 40, nodes: 36, cards: 40, notes: 40, text: 240}

// halved returns limits that make a page of about half the size.
func (l limits) halved() limits {
	half := func(n int) int { return max(n/2, 1) }
	return limits{half(l.cases), half(l.others), half(l.rows), half(l.bands), half(l.nodes), half(l.cards), half(l.notes), max(half(l.text), 24)}
}

//go:embed page.html style.css script.js techniques.tsv
var files embed.FS

var page = template.Must(template.New("page.html").ParseFS(files, "page.html"))

// Write writes the page. Errors are those of w.
func Write(w io.Writer, in *Input) error {
	b, err := render(in, MaxBytes)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// render makes a page of at most so many bytes: with less on it until it fits.
func render(in *Input, most int) ([]byte, error) {
	style, script := asset("style.css"), asset("script.js")
	sum := sha256.Sum256([]byte(script))
	for l := usual; ; l = l.halved() {
		v := build(in, l)
		v.Style, v.Script = template.CSS(style), template.JS(script)
		v.ScriptHash = base64.StdEncoding.EncodeToString(sum[:])
		var b bytes.Buffer
		if err := page.Execute(&b, v); err != nil {
			return nil, fmt.Errorf("make report: %w", err)
		}
		if b.Len() <= most {
			return b.Bytes(), nil
		}
		if l == l.halved() {
			return nil, errors.New("make report: it does not fit even with one of each")
		}
	}
}

func asset(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is in the program
	}
	return string(b)
}
