package sensor_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"tyto/behavior"
	"tyto/sensor"
)

// parrot says the same of every session, and counts them.
type parrot struct{ messages int }

func (p *parrot) Knows(string, bool) bool { return true }

func (p *parrot) Listen(h *behavior.Heard, s *behavior.Session) bool {
	p.messages += len(s.Sequence.Messages)
	*h = behavior.Heard{
		App: "ssh", AppP: 0.8, Control: behavior.ControlResp, ControlP: 0.97, Leads: [2]int{1, 9}, Layers: 2, LayersP: 0.9,
		Labels:   []behavior.Label{{Name: "reverse-shell", P: 0.96}, {Name: "tunnel", P: 0.51}},
		Segments: []behavior.Segment{{From: 0, To: 5e8, State: "handshake", P: 0.9, Orig: 10, Resp: 20, Messages: 2}, {From: 6e8, To: 1e9, State: "keystrokes", P: 0.8, Orig: 30, Messages: 4}},
	}
	return true
}

func TestListen(t *testing.T) {
	f, err := os.Open("testdata/ssh-shell.pcap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, res, err := run(t, context.Background(), f, sensor.Config{Summary: true, Listener: func() behavior.Listener { return new(parrot) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"layers":1,"labels":[{"name":"reverse-shell","p":0.96},{"name":"tunnel","p":0.51}],"control":"resp","control_p":0.97`,
		`"state":"handshake","p":0.9,"orig_bytes":10,"resp_bytes":20,"messages":2`, `"record":"segment"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%.2000s", want, out)
		}
	}
	if len(res.Summary.Inside) == 0 || res.Summary.Inside[0].Heard.Leads != [2]int{1, 9} {
		t.Errorf("the summary has %+v", res.Summary.Inside)
	}
}

// What is heard does not depend on the number of workers.
func TestListenWorkers(t *testing.T) {
	var outs []string
	for _, workers := range []int{1, 4} {
		f, err := os.Open("testdata/ssh-shell.pcap")
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := run(t, context.Background(), f, sensor.Config{Workers: workers, Listener: func() behavior.Listener { return new(parrot) }})
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	if outs[0] != outs[1] {
		t.Error("four workers write other records than one")
	}
}
