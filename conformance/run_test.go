package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

// captures returns the folder of captures, or skips the test.
func captures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CAPTURES")
	if dir == "" {
		t.Skip("CAPTURES names no folder of captures")
	}
	if _, err := os.Stat(filepath.Join(dir, "CATALOG.tsv")); err != nil {
		t.Skip(err)
	}
	return dir
}

var set = all.Set(sensor.TunnelDefinitions()...)

// analyze returns the records of a capture as JSON lines and the result.
func analyze(name string) ([]byte, *sensor.Result, error) {
	src, err := pcapfile.OpenAll([]string{name})
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	var out bytes.Buffer
	res, err := sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: &out}, nil)
	return out.Bytes(), res, err
}

// rec is what the tests read of a record.
type rec struct {
	Record  string  `json:"record"`
	TS      float64 `json:"ts"`
	UID     string  `json:"uid"`
	OrigH   string  `json:"id.orig_h"`
	OrigP   int     `json:"id.orig_p"`
	RespH   string  `json:"id.resp_h"`
	RespP   int     `json:"id.resp_p"`
	Proto   string  `json:"proto"`
	App     string  `json:"app"`
	IPProto int     `json:"ip_proto"`

	// tls, quic
	ServerName string `json:"server_name"`
	JA3        string `json:"ja3"`
	JA3S       string `json:"ja3s"`
	JA4        string `json:"ja4"`
	// ssh
	HASSH       string `json:"hassh"`
	HASSHServer string `json:"hasshServer"`
	// x509
	Serial string `json:"certificate.serial"`
	// dns
	Query   string `json:"query"`
	Answers any    `json:"answers"`
}

// records parses JSON lines.
func records(t *testing.T, text []byte) []rec {
	t.Helper()
	var out []rec
	for line := range bytes.Lines(text) {
		var r rec
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("not JSON: %v\n%s", err, line)
		}
		out = append(out, r)
	}
	return out
}
