package sensor_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"tyto/internal/record"
	"tyto/packet/pcapfile"
	"tyto/sensor"
)

// memory is Logs in memory.
type memory map[string]*bytes.Buffer

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (m memory) Open(s *record.Schema) (io.WriteCloser, error) {
	m[s.Log] = new(bytes.Buffer)
	return nopCloser{m[s.Log]}, nil
}

// TestAnnounced wants the data connections of FTP (one passive, one active) to
// be named by what their control connections said: in JSON, in both log
// formats, and in the summary, on any number of workers.
func TestAnnounced(t *testing.T) {
	data, err := os.ReadFile("testdata/ftp.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2, 16} {
		for _, format := range []record.Format{record.TSV, record.ZeekJSON} {
			src, err := pcapfile.NewReader(bytes.NewReader(data), "ftp")
			if err != nil {
				t.Fatal(err)
			}
			logs := memory{}
			var json bytes.Buffer
			res, err := sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: &json, Logs: logs, LogFormat: format, Workers: workers, Summary: true, Strict: true}, nil)
			src.Close()
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(json.String(), `"service":"ftp-data"`); n != 2 || strings.Count(json.String(), `"app":"ftp-data","app_p":0.95,"layers":0`) != 2 {
				t.Errorf("%d workers: %d data connections in JSON, want 2", workers, n)
			}
			conn := logs["conn"].String()
			text := "\tftp-data\t0.95\t"
			if format == record.ZeekJSON {
				text = `"app":"ftp-data","app_p":0.95,`
			}
			if strings.Count(conn, text) != 2 || strings.Count(conn, "unknown") != 0 {
				t.Errorf("%d workers: conn.log:\n%s", workers, conn)
			}
			if format == record.TSV {
				columns := len(sensor.SessionSchema.Fields) + 6
				for line := range strings.Lines(conn) {
					if n := len(strings.Split(strings.TrimSuffix(line, "\n"), "\t")); line[0] != '#' && n != columns {
						t.Errorf("%d columns, want %d: %s", n, columns, line)
					}
				}
			}
			m := res.Summary
			if v := m.Apps["ftp-data"]; v == nil || v.Sessions != 2 || v.OrigBytes != 69 || v.RespBytes != 16 || m.Apps["unknown"] != nil {
				t.Errorf("%d workers: the summary has %+v", workers, v)
			}
			for _, d := range m.Devices {
				if d.Client["unknown"]+d.Server["unknown"] > 0 || d.Client["ftp-data"] != 1 || d.Server["ftp-data"] != 1 {
					t.Errorf("%d workers: %s uses %v and serves %v", workers, d.Addr, d.Client, d.Server)
				}
			}
		}
	}
}
