package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tyto/internal/amount"
	"tyto/sensor"
)

// ledgerFile is where in a store's directory it is written which captures were
// analysed into it: a line of JSON before their records come and one after.
const ledgerFile = "captures.jsonl"

// maxLedger is how many bytes of it are read.
const maxLedger = 256 << 20

// capture is a file as a ledger knows it.
type capture struct {
	Digest   string `json:"digest"` // see digest
	Bytes    int64  `json:"bytes"`
	Name     string `json:"name"`
	Whole    bool   `json:"whole"` // all its records are there
	Packets  uint64 `json:"packets,omitempty"`
	Sessions uint64 `json:"sessions,omitempty"`
}

// Parts of a capture that its digest is made of.
const (
	digestEnds    = 1 << 20  // bytes at the start and at the end
	digestSamples = 64       // places in between, evenly
	digestSample  = 16 << 10 // bytes of each
)

// digest identifies a capture by its size, its first and last packets and samples
// in between: a few MB of any file. Captures of the same size whose packets
// differ only between samples are taken for the same.
func digest(path string) (capture, error) {
	f, err := os.Open(path)
	if err != nil {
		return capture{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return capture{}, err
	}
	if !info.Mode().IsRegular() {
		return capture{}, fmt.Errorf("%s is no file", path)
	}
	size := info.Size()
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(size)))
	read := func(at, n int64) error {
		_, err := io.Copy(h, io.NewSectionReader(f, at, n))
		return err
	}
	err = read(0, digestEnds)
	if between := size - 2*digestEnds; between > 0 {
		for i := range int64(digestSamples) {
			err = errors.Join(err, read(digestEnds+between/digestSamples*i, digestSample))
		}
		err = errors.Join(err, read(size-digestEnds, digestEnds))
	} else {
		err = errors.Join(err, read(digestEnds, digestEnds))
	}
	return capture{Digest: hex.EncodeToString(h.Sum(nil)[:16]), Bytes: size, Name: filepath.Base(path)}, err
}

// claim is what a store is about to be told of captures.
type claim struct {
	dir   string
	fresh []capture // to be stored
	known []capture // there already
}

// claimCaptures looks which of some captures a store has. Standard input is never
// known. The error tells the user what to do when it has some of them, or a part
// of one: records would be there twice.
func claimCaptures(dir string, paths []string, again bool) (*claim, error) {
	have, err := readLedger(filepath.Join(dir, ledgerFile))
	if err != nil {
		return nil, err
	}
	k := &claim{dir: dir}
	for _, p := range paths {
		if p == "-" {
			continue
		}
		c, err := digest(p)
		if err != nil {
			continue // what opens captures says what is wrong with it
		}
		old, ok := have[c.Digest]
		switch {
		case !ok || again:
			k.fresh = append(k.fresh, c)
		case !old.Whole:
			return nil, fmt.Errorf("%s was analysed into %s before, not to its end: a part of its records is there; use another directory, or --again to store all of it beside them", printable(p), dir)
		default:
			k.known = append(k.known, old)
		}
	}
	if len(k.known) > 0 && len(k.fresh) > 0 {
		return nil, fmt.Errorf("%s already has %s, and not %s: analyse that alone, or give --again to store all of it once more", dir, names(k.known), names(k.fresh))
	}
	return k, nil
}

// stored reports whether there is nothing to store.
func (k *claim) stored() bool { return len(k.known) > 0 && len(k.fresh) == 0 }

// String says what is there already.
func (k *claim) String() string {
	return fmt.Sprintf("%s already has %s; nothing was stored again (--again stores it once more)", k.dir, names(k.known))
}

func names(list []capture) string {
	var b strings.Builder
	for i, c := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(printable(c.Name))
		if c.Sessions > 0 {
			fmt.Fprintf(&b, " (%s sessions)", amount.Thousands(c.Sessions))
		}
	}
	return b.String()
}

// begin notes that records come.
func (k *claim) begin() error { return k.note() }

// end notes that all of them are there.
func (k *claim) end(stats *sensor.Stats) error {
	for i := range k.fresh {
		c := &k.fresh[i]
		c.Whole = true
		if len(k.fresh) == 1 {
			c.Packets, c.Sessions = stats.Packets, stats.Sessions
		}
	}
	return k.note()
}

func (k *claim) note() error {
	if len(k.fresh) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(k.dir, ledgerFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("note captures: %w", err)
	}
	err = endLine(f)
	e := json.NewEncoder(f)
	for _, c := range k.fresh {
		err = errors.Join(err, e.Encode(c))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note captures: %w", err)
	}
	return nil
}

// endLine ends a line that was cut short when the process died.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString("\n")
	return err
}

// readLedger returns the captures of a ledger by digest, as last noted. Lines that
// cannot be read, as one that was cut short when the process died, are passed
// over.
func readLedger(path string) (map[string]capture, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read captures of the store: %w", err)
	}
	defer f.Close()
	list := make(map[string]capture)
	in := bufio.NewScanner(io.LimitReader(f, maxLedger))
	for in.Scan() {
		var c capture
		if json.Unmarshal(in.Bytes(), &c) == nil && c.Digest != "" {
			list[c.Digest] = c
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read captures of the store: %w; it is damaged: move %s away", err, path)
	}
	return list, nil
}
