// Package train makes models of corpora: examples with their truth, what is drawn
// in which order, losses, the training itself and the calibration of what comes
// out. Everything follows from data, options and seed, whatever the number of
// cores.
package train

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"tyto/corpus"
	"tyto/model"
	"tyto/packet"
	"tyto/sequence"
)

// Example is a session with what there is to know of it.
type Example struct {
	Run     *corpus.Run
	Session *corpus.Session
	Heard   sequence.Sequence
	Tokens  []sequence.Token
	First   []float32 // model.FirstWidth numbers
	Targets Targets
	Profile int32 // an index of the data's Profiles
	Recipe  int32 // an index of scenario and variant
}

// Data are examples to train on or to evaluate with.
type Data struct {
	Examples []*Example // sessions that are listened to
	Runs     int
	Apps     []string // names of protocols, by index
	Profiles []string // names of networks, by index
	Recipes  []string // scenario/variant, by index
}

// LeastApp is how many sessions an app must have to be one of Data's.
const LeastApp = 8

// NewData makes examples of runs. Indices depend on all runs, not on their order.
func NewData(runs []*corpus.Run) *Data {
	d := &Data{Runs: len(runs)}
	apps, profiles, recipes := make(map[string]int), make(map[string]int), make(map[string]int)
	for _, r := range runs {
		profiles[r.Truth.Profile.Name]++
		recipes[recipe(r)]++
		for i := range r.Sessions {
			if app := r.Sessions[i].App; app != "unknown" && app != "" {
				apps[app]++
			}
		}
	}
	maps.DeleteFunc(apps, func(_ string, n int) bool { return n < LeastApp })
	d.Apps, d.Profiles, d.Recipes = slices.Sorted(maps.Keys(apps)), slices.Sorted(maps.Keys(profiles)), slices.Sorted(maps.Keys(recipes))
	for _, r := range runs {
		for i := range r.Sessions {
			if e := d.example(r, &r.Sessions[i]); e != nil {
				d.Examples = append(d.Examples, e)
			}
		}
	}
	slices.SortStableFunc(d.Examples, func(a, b *Example) int { return cmp.Compare(a.Run.Truth.Name, b.Run.Truth.Name) })
	return d
}

func recipe(r *corpus.Run) string { return r.Truth.Scenario + "/" + r.Truth.Variant }

// example returns nil if the session has no message, or too few packets to be
// listened to.
func (d *Data) example(r *corpus.Run, s *corpus.Session) *Example {
	if packets(s) < model.LeastPackets {
		return nil
	}
	q := sequence.Recover(Proto(s), slices.Values(s.Entries))
	if len(q.Messages) == 0 {
		return nil
	}
	q.Messages = q.Messages[:min(len(q.Messages), model.MaxMessages)]
	e := &Example{
		Run: r, Session: s, Heard: q, Tokens: sequence.AppendTokens(nil, &q), First: model.AppendFirst(nil, s.First), Targets: targets(r, s, &q),
		Profile: index(d.Profiles, r.Truth.Profile.Name), Recipe: index(d.Recipes, recipe(r)),
	}
	e.Targets.App = index(d.Apps, s.App)
	return e
}

// packets counts the packets of a session.
func packets(s *corpus.Session) (n uint32) {
	for _, e := range s.Entries {
		if !e.Message {
			n += max(e.Packets, 1)
		}
	}
	return n
}

// index returns where a name is in a sorted list, Unknown if it is not.
func index(list []string, name string) int32 {
	if i, ok := slices.BinarySearch(list, name); ok {
		return int32(i)
	}
	return Unknown
}

// Proto is the IP protocol number of a session of a corpus.
func Proto(s *corpus.Session) uint8 {
	switch s.Flow.Proto {
	case "tcp":
		return packet.ProtoTCP
	case "udp":
		return packet.ProtoUDP
	case "icmp":
		return packet.ProtoICMP
	}
	var n uint8
	if _, err := fmt.Sscanf(s.Flow.Proto, "ip-%d", &n); err != nil {
		return 0
	}
	return n
}

// Part returns the examples whose run is kept; indices stay as they are.
func (d *Data) Part(keep func(*corpus.Run) bool) *Data {
	part := &Data{Apps: d.Apps, Profiles: d.Profiles, Recipes: d.Recipes}
	var last *corpus.Run
	kept := false
	for _, e := range d.Examples {
		if e.Run != last {
			last, kept = e.Run, keep(e.Run)
			if kept {
				part.Runs++
			}
		}
		if kept {
			part.Examples = append(part.Examples, e)
		}
	}
	return part
}

// Checksum tells whether two corpora are the same: it is of the names of runs and
// of how many messages they have.
func (d *Data) Checksum() string {
	h := fnv.New64a()
	for _, e := range d.Examples {
		fmt.Fprintf(h, "%s %d\n", e.Run.Truth.Name, len(e.Tokens))
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
