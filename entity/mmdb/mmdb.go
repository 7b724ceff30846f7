// Package mmdb reads who operates an address from a file in the MaxMind DB
// format, version 2 (https://maxmind.github.io/MaxMind-DB/): GeoLite2-ASN,
// GeoLite2-Country and files that others make with the same fields.
//
// A file is a binary tree over the bits of addresses, whose leaves point into a
// section of values. Damaged files give an error or no answer, never a hang:
// the depth and number of values that one lookup reads are bounded.
package mmdb

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"

	"tyto/packet"
)

// Record is what a file says of an address. What it does not say is zero.
type Record struct {
	ASN          uint32 // number of the autonomous system
	Organisation string // name of the autonomous system, or else of the provider
	Country      string // two letters of ISO 3166-1
}

// Reader answers lookups. It may be used by several goroutines at once.
type Reader struct {
	tree       []byte
	data       []byte // section of values
	nodes      uint32
	recordBits uint32 // 24, 28 or 32
	ipv4       uint32 // node where IPv4 addresses start
	version    int    // IP version of the tree: 4 or 6
	built      int64
	kind       string
}

// marker is in front of the metadata, at the end of the file.
var marker = []byte("\xab\xcd\xefMaxMind.com")

// separator is how many zero bytes are between the tree and the values.
const separator = 16

// maxFile is the largest file that is read.
const maxFile = 1 << 30

// Open reads a file.
func Open(path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are too many for a MaxMind DB file", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := New(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// New returns a reader of a file's bytes, which it keeps.
func New(file []byte) (*Reader, error) {
	i := bytes.LastIndex(file, marker)
	if i < 0 {
		return nil, errors.New("no MaxMind DB file: it has no metadata; give a .mmdb file, unpacked")
	}
	meta := file[i+len(marker):]
	m := decoder{data: meta}
	r := new(Reader)
	if err := r.readMetadata(&m); err != nil {
		return nil, err
	}
	size := uint64(r.nodes) * uint64(r.recordBits) / 4
	if size+separator > uint64(i) {
		return nil, fmt.Errorf("damaged MaxMind DB file: %d nodes do not fit into it; download it again", r.nodes)
	}
	r.tree, r.data = file[:size], file[size+separator:i]
	if r.version == 6 {
		for range 96 {
			if r.ipv4 >= r.nodes {
				break
			}
			r.ipv4 = r.child(r.ipv4, 0)
		}
	}
	return r, nil
}

func (r *Reader) readMetadata(m *decoder) error {
	m.fields(0, func(key string, v value) {
		switch key {
		case "node_count":
			r.nodes = uint32(min(v.number, math.MaxUint32))
		case "record_size":
			r.recordBits = uint32(min(v.number, 64))
		case "ip_version":
			r.version = int(v.number)
		case "database_type":
			r.kind = v.text
		case "build_epoch":
			r.built = int64(v.number)
		}
	})
	if r.recordBits != 24 && r.recordBits != 28 && r.recordBits != 32 || r.version != 4 && r.version != 6 || r.nodes == 0 {
		return fmt.Errorf("MaxMind DB file with records of %d bits and IP version %d: only version 2 of the format can be read", r.recordBits, r.version)
	}
	return nil
}

// Kind returns the type the file says it is: "GeoLite2-ASN".
func (r *Reader) Kind() string { return r.kind }

// Built returns when the file was made, in seconds since the epoch.
func (r *Reader) Built() int64 { return r.built }

// child returns what follows a node for a bit.
func (r *Reader) child(node uint32, bit byte) uint32 {
	switch r.recordBits {
	case 24:
		b := r.tree[6*node+3*uint32(bit):]
		return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	case 28:
		b := r.tree[7*node:]
		if bit == 0 {
			return uint32(b[3]>>4)<<24 | uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
		}
		return uint32(b[3]&15)<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6])
	}
	b := r.tree[8*node+4*uint32(bit):]
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// Lookup returns what the file says of an address; false if it says nothing.
func (r *Reader) Lookup(a packet.Addr) (Record, bool) {
	node, bits := uint32(0), a[:]
	if a.Is4() {
		node, bits = r.ipv4, a[12:]
	} else if r.version == 4 {
		return Record{}, false
	}
	for i := 0; node < r.nodes && i < 8*len(bits); i++ {
		node = r.child(node, bits[i/8]>>(7-i%8)&1)
	}
	if node <= r.nodes {
		return Record{}, false // ends in nothing, or deeper than an address
	}
	offset := node - r.nodes - separator
	if node < r.nodes+separator || uint64(offset) >= uint64(len(r.data)) {
		return Record{}, false
	}
	return r.record(offset)
}

// record reads the fields of a value.
func (r *Reader) record(offset uint32) (rec Record, ok bool) {
	d := decoder{data: r.data}
	provider := ""
	d.fields(offset, func(key string, v value) {
		switch key {
		case "autonomous_system_number":
			rec.ASN = uint32(min(v.number, math.MaxUint32))
		case "autonomous_system_organization":
			rec.Organisation = v.text
		case "organization", "isp":
			provider = v.text
		case "country":
			inner := decoder{data: r.data, read: d.read}
			inner.fields(v.at, func(key string, v value) {
				if key == "iso_code" {
					rec.Country = v.text
				}
			})
			d.read = inner.read
		}
	})
	if rec.Organisation == "" {
		rec.Organisation = provider
	}
	return rec, rec != Record{}
}
