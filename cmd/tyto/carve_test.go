package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tyto/packet"
	"tyto/packet/pcapfile"
)

// tyto runs the program and returns its output; it must succeed.
func tyto(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(context.Background(), &cli{strings.NewReader(""), &out, &errs, os.Getenv}, args); status != 0 {
		t.Fatalf("tyto %s: status %d\n%s", strings.Join(args, " "), status, &errs)
	}
	return out.String()
}

// frames returns what a capture has: time, lengths, link type and bytes of each
// frame.
func frames(t *testing.T, path string) (list []string) {
	t.Helper()
	src, err := pcapfile.OpenAll([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var b packet.Block
	for {
		err := src.ReadBlock(&b)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Frames {
			list = append(list, fmt.Sprintf("%d %d %d %x", f.Time, f.Wire, f.Link, f.Data))
		}
	}
}

// TestCarve stores captures and carves each session: its packets are in the
// capture, bit for bit, as many as the record says and the fragments that one of
// these completed, and in the order they came.
func TestCarve(t *testing.T) {
	if !hasStore() {
		t.Skip("built without cgo")
	}
	for capture, fragments := range map[string]int{"demo/office.pcap.gz": 0, "../../sensor/testdata/gre.pcap": 0, "../../sensor/testdata/icmp.pcap": 8} {
		dir := t.TempDir()
		db, out := filepath.Join(dir, "db"), filepath.Join(dir, "out.pcapng")
		tyto(t, "analyze", capture, "--db", db, "--no-model")
		original := frames(t, capture)
		place := make(map[string]int)
		for i, f := range original {
			place[f] = i
		}
		for line := range strings.Lines(tyto(t, "hunt", "--db", db, "--format", "json", "session | fields uid, orig_pkts, resp_pkts")) {
			var s struct {
				UID  string `json:"uid"`
				Orig int    `json:"orig_pkts"`
				Resp int    `json:"resp_pkts"`
			}
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				t.Fatal(err)
			}
			tyto(t, "carve", s.UID, "--db", db, "-o", out)
			got := frames(t, out)
			if len(got) < s.Orig+s.Resp {
				t.Errorf("%s: %d packets of session %s with %d and %d", capture, len(got), s.UID, s.Orig, s.Resp)
			}
			fragments -= len(got) - s.Orig - s.Resp
			last := -1
			for i, f := range got {
				at, ok := place[f]
				if !ok || at < last {
					t.Errorf("%s: packet %d of session %s is not the original's, or out of order", capture, i, s.UID)
				}
				last = at
			}
		}
		if fragments != 0 {
			t.Errorf("%s: %d fragments too few", capture, fragments)
		}
		tyto(t, "carve", "--db", db, "--after", "1971-01-01", "-o", out)
		if got := frames(t, out); strings.Join(got, "\n") != strings.Join(original, "\n") {
			t.Errorf("%s: all packets are not the capture: %d and %d", capture, len(got), len(original))
		}
	}
}

// TestCarveTshark compares a session with what tshark sees of it in the capture.
func TestCarveTshark(t *testing.T) {
	if !hasStore() {
		t.Skip("built without cgo")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	const capture = "demo/office.pcap.gz"
	db, out := filepath.Join(t.TempDir(), "db"), filepath.Join(t.TempDir(), "out.pcapng")
	tyto(t, "analyze", capture, "--db", db, "--no-model")
	const longest = "session where app = ssh | sort orig_pkts desc | limit 1"
	port := strings.Fields(tyto(t, "hunt", "--db", db, "--format", "csv", longest+" | fields id.orig_p"))[1]
	tyto(t, "carve", "--query", longest, "--db", db, "-o", out)
	dump := func(path string, filter ...string) string {
		b, err := exec.Command("tshark", append([]string{"-n", "-r", path, "-x"}, filter...)...).Output()
		if err != nil {
			t.Fatalf("tshark -r %s: %v", path, err)
		}
		return string(b)
	}
	want, got := dump(capture, "-Y", "tcp.port == "+port), dump(out)
	if got != want || len(got) < 1000 {
		t.Errorf("tshark sees %d characters of the session in the capture and %d in what was carved", len(want), len(got))
	}
	comments, err := exec.Command("tshark", "-r", out, "-T", "fields", "-e", "frame.comment").Output()
	if err != nil || !strings.HasPrefix(string(comments), "C") {
		t.Errorf("the packets have the comments %.60q (%v)", comments, err)
	}
}
