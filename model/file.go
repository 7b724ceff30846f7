package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"tyto/boost"
	"tyto/nn"
	"tyto/sequence/feature"
)

// A file is magic, the length of the header (4 bytes, little endian), the header
// in JSON, and the parameters as package nn writes them.
const (
	magic     = "tytomod1"
	maxHeader = 4 << 20
	// MaxFile is how large a model's file may be.
	MaxFile = 64 << 20
)

// Model is a trained network, trees beside it, and what is needed to use them. It does not change
// and may be used by many goroutines.
type Model struct {
	Shape       Shape       `json:"shape"`
	Card        Card        `json:"card"`
	Calibration Calibration `json:"calibration"`

	arrays []nn.Array
	trees  []*boost.Forest // of each label, on feature.Session; nil where there are none
	once   sync.Once
	fused  *fused
}

// Card is where a model comes from and how good it is: enough to make it again.
type Card struct {
	Name     string   `json:"name"`
	Purpose  string   `json:"purpose"`
	Commit   string   `json:"commit"`  // of the program that trained it
	Command  string   `json:"command"` // that makes it again
	Seed     uint64   `json:"seed"`
	Steps    int      `json:"steps"`
	Data     []Fact   `json:"data"`    // of the corpus: runs, sessions, checksum
	Figures  []Figure `json:"figures"` // measured on what was held back
	Limits   []string `json:"limits"`  // what it cannot do, in words
	Params   int      `json:"params"`
	Reserved string   `json:"reserved,omitempty"` // runs that calibrate, not trained on
}

// Fact is a name and its value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Figure is a measurement: its value on a split of the corpus, and the best of
// the baselines beside it.
type Figure struct {
	Name     string  `json:"name"`
	Split    string  `json:"split"`
	Value    float64 `json:"value"`
	Baseline float64 `json:"baseline,omitempty"`
	Which    string  `json:"which,omitempty"` // baseline
}

// New makes a model of a trained network, and of trees that tell labels: one
// forest for each label of the network's shape, nil where there is none; or no
// trees at all.
func New(n *Network, trees []*boost.Forest, card Card, c Calibration) *Model {
	card.Params = n.Params.Count()
	if trees == nil {
		trees = make([]*boost.Forest, len(n.Shape.Labels))
	}
	return &Model{Shape: n.Shape, Card: card, Calibration: c, arrays: n.Params.Arrays(), trees: trees}
}

// treesPrefix begins the name of the array with a label's trees.
const treesPrefix = "trees."

// treeArrays are the trees as arrays.
func (m *Model) treeArrays() (list []nn.Array) {
	for i, f := range m.trees {
		if f != nil {
			v := f.Values()
			list = append(list, nn.Array{Name: treesPrefix + m.Shape.Labels[i], Rows: 1, Cols: len(v), Values: v})
		}
	}
	return list
}

// plant reads the trees.
func (m *Model) plant(arrays []nn.Array) error {
	m.trees = make([]*boost.Forest, len(m.Shape.Labels))
	for i, label := range m.Shape.Labels {
		at := slices.IndexFunc(arrays, func(a nn.Array) bool { return a.Name == treesPrefix+label })
		if at < 0 {
			continue
		}
		f, err := boost.NewForest(arrays[at].Values, len(feature.Names))
		if err != nil {
			return fmt.Errorf("trees of label %s: %w", label, err)
		}
		m.trees[i] = f
	}
	return nil
}

// Encode returns the model's file: the same bytes for the same model.
func (m *Model) Encode() ([]byte, error) {
	header, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode model: %w", err)
	}
	b := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(header)))
	b = append(b, header...)
	return append(b, nn.Encode(append(slices.Clone(m.arrays), m.treeArrays()...))...), nil
}

// Decode reads a model's file. Whatever b holds, it needs no more memory than a
// small multiple of len(b) and of what the largest shape needs, and a model that
// it returns can be used.
func Decode(b []byte) (*Model, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("a model of %d bytes: at most %d are allowed", len(b), MaxFile)
	}
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return nil, errors.New("not a model of tyto: it does not begin with " + magic)
	}
	n := binary.LittleEndian.Uint32(b[len(magic):])
	rest := b[len(magic)+4:]
	if n > maxHeader || int(n) > len(rest) {
		return nil, fmt.Errorf("the model's header of %d bytes is not there: the file is cut or damaged", n)
	}
	m := new(Model)
	d := json.NewDecoder(bytes.NewReader(rest[:n]))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("the model's header: %w", err)
	}
	if err := m.Shape.Check(); err != nil {
		return nil, err
	}
	if err := m.Calibration.check(&m.Shape); err != nil {
		return nil, err
	}
	arrays, err := nn.Decode(rest[n:])
	if err != nil {
		return nil, fmt.Errorf("the model's parameters: %w", err)
	}
	// A shape asks for memory: not for more than the file has parameters.
	held := 0
	for _, a := range arrays {
		held += len(a.Values)
	}
	if need := m.Shape.parameters(); need > held {
		return nil, fmt.Errorf("the model's shape needs %d parameters, the file has %d", need, held)
	}
	if err := m.plant(arrays); err != nil {
		return nil, err
	}
	m.arrays = slices.DeleteFunc(arrays, func(a nn.Array) bool { return strings.HasPrefix(a.Name, treesPrefix) })
	network := NewNetwork(m.Shape, 0)
	if err := network.Params.SetArrays(arrays); err != nil {
		return nil, fmt.Errorf("the model's parameters: %w", err)
	}
	m.once.Do(func() { m.fused = network.fuse() })
	return m, nil
}

// parameters is a lower bound of how many parameters a shape has.
func (s *Shape) parameters() int {
	c := s.Channels
	return s.Blocks*(blockTaps+1)*c*c + 6*c*c + c*(len(s.States)+len(s.Labels)+len(s.Apps))
}

// Network returns a network with the model's weights, to train on.
func (m *Model) Network() (*Network, error) {
	n := NewNetwork(m.Shape, 0)
	return n, n.Params.SetArrays(m.arrays)
}

// network returns what runs the model.
func (m *Model) network() *fused {
	m.once.Do(func() {
		n, err := m.Network()
		if err != nil {
			panic("model: " + err.Error()) // New and Decode let no such model pass
		}
		m.fused = n.fuse()
	})
	return m.fused
}

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }
