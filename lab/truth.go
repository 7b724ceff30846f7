package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"tyto/lab/label"
)

// claims is what a scenario said of flows. It is held against the flows when
// the run is over.
type claims struct {
	labels []labelClaim
	spans  []*spanClaim
	keys   []keyClaim
}

type labelClaim struct {
	sel    Selector
	labels []label.Label
}

type spanClaim struct {
	sel Selector
	label.Segment
	open bool
}

type keyClaim struct {
	sel Selector
	t   *Terminal
}

// assemble makes the truth of what the sensor saw. It is an error if a claim is
// about no flow at all: then the scenario did not do what it says. That the
// sensor did not see a flow is none, as long as something that has a label was
// seen.
func (c *claims) assemble(flows []*flow, sensor string, end label.Time) ([]label.Flow, error) {
	var errs []error
	truth := make([]label.Flow, len(flows))
	// each calls do for all flows of a selector.
	each := func(what string, sel Selector, do func(*label.Flow)) {
		found := false
		for i, f := range flows {
			if sel.match(f) {
				found = true
				do(&truth[i])
			}
		}
		if !found {
			errs = append(errs, fmt.Errorf("%s: there are no %s", what, sel))
		}
	}
	for i, f := range flows {
		truth[i] = f.truth(sensor)
	}
	for _, l := range c.labels {
		each(fmt.Sprint("label ", l.labels), l.sel, func(f *label.Flow) { f.Labels = append(f.Labels, l.labels...) })
	}
	for _, s := range c.spans {
		segment := s.Segment
		if s.open {
			segment.T1 = end
		}
		each("segment "+s.State.String(), s.sel, func(f *label.Flow) { f.Segments = append(f.Segments, segment) })
	}
	for _, k := range c.keys {
		times := k.t.KeyTimes()
		each("keys", k.sel, func(f *label.Flow) { f.Keys = append(f.Keys, times...) })
	}
	seen, labelled := []label.Flow{}, false
	for i, f := range flows {
		if f.packets > 0 {
			seen = append(seen, truth[i])
			labelled = labelled || len(truth[i].Labels) > 0
		}
	}
	if !labelled {
		errs = append(errs, errors.New("the sensor saw nothing that has a label"))
	}
	return seen, errors.Join(errs...)
}

// truth is what the wire knows of a flow, as the sensor shows it.
func (f *flow) truth(sensor string) label.Flow {
	src := f.src
	if sensor != "client" && f.outside.IsValid() {
		src = f.outside
		if f.proto == protoICMP {
			src = netip.AddrPortFrom(src.Addr(), f.src.Port())
		}
	}
	t := label.Flow{
		Proto: protoName(f.proto), Src: src.Addr(), SrcPort: src.Port(), Dst: f.dst.Addr(), DstPort: f.dst.Port(),
		T0: f.t0, T1: f.t1, Labels: []label.Label{},
	}
	if len(f.owners) > 0 {
		p := f.owners[0].process
		t.Process = &p
	}
	return t
}
