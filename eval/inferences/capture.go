package inferences

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"tyto/behavior"
	"tyto/lab/label"
	"tyto/packet/pcapfile"
	"tyto/protocol"
	"tyto/sensor"
)

// Measured is a session of a recording with what is known and what is inferred.
type Measured struct {
	Run   *label.Run
	Flow  *label.Flow
	Truth Truth
	Codes []string
}

// line is what is read of ssh and session records.
type line struct {
	Record     string     `json:"record"`
	UID        string     `json:"uid"`
	Orig       netip.Addr `json:"id.orig_h"`
	OrigPort   uint16     `json:"id.orig_p"`
	Resp       netip.Addr `json:"id.resp_h"`
	RespPort   uint16     `json:"id.resp_p"`
	OrigBytes  uint64     `json:"orig_bytes"`
	RespBytes  uint64     `json:"resp_bytes"`
	Inferences []string   `json:"inferences"`
}

// Recordings analyses the lab's recordings in a directory and those below it, each
// a capture with its truth beside it, and returns their sessions of SSH of which
// TruthOf knows something. Listener is that of a [sensor.Config], nil for rules
// alone.
func Recordings(ctx context.Context, dir string, set *protocol.Set, listener func() behavior.Listener) ([]Measured, error) {
	var all []Measured
	for _, pattern := range []string{"*.pcap", "*/*.pcap"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			list, err := recording(ctx, name, set, listener)
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", name, err)
			}
			all = append(all, list...)
		}
	}
	return all, nil
}

func recording(ctx context.Context, name string, set *protocol.Set, listener func() behavior.Listener) ([]Measured, error) {
	run, err := label.ReadFile(strings.TrimSuffix(name, ".pcap") + ".json")
	if err != nil {
		return nil, err
	}
	src, err := pcapfile.Open(name)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var out bytes.Buffer
	if _, err := sensor.Run(ctx, src, sensor.Config{Set: set, JSON: &out, Workers: 1, Listener: listener}, nil); err != nil {
		return nil, err
	}
	codes, sessions := make(map[string][]string), []line{}
	d := json.NewDecoder(&out)
	for d.More() {
		var l line
		if err := d.Decode(&l); err != nil {
			return nil, err
		}
		switch l.Record {
		case "ssh":
			codes[l.UID] = append([]string{}, l.Inferences...)
		case "session":
			sessions = append(sessions, l)
		}
	}
	hosts := make(map[netip.Addr]string)
	for _, h := range run.Hosts {
		hosts[h.Addr] = h.Name
	}
	var all []Measured
	for _, l := range sessions {
		i := slices.IndexFunc(run.Flows, func(f label.Flow) bool {
			return f.Proto == "tcp" && f.Src == l.Orig && f.Dst == l.Resp && f.SrcPort == l.OrigPort && f.DstPort == l.RespPort
		})
		if have, ok := codes[l.UID]; ok && i >= 0 {
			f := &run.Flows[i]
			last := !slices.ContainsFunc(run.Flows, func(o label.Flow) bool { return o.T0 > f.T0 })
			if t, ok := TruthOf(run, Session{f, hosts[f.Src], [2]uint64{l.OrigBytes, l.RespBytes}, last}); ok {
				all = append(all, Measured{run, f, t, have})
			}
		}
	}
	return all, nil
}
