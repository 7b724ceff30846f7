package sensor

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"tyto/internal/record"
)

// LogDir writes Zeek logs into a directory, one file a kind, with Zeek's
// headers in the TSV format.
type LogDir struct {
	Dir    string
	Format record.Format // record.TSV or record.ZeekJSON
	Opened time.Time     // for the #open header
}

// Open implements Logs. An existing log of the same name is replaced.
func (d *LogDir) Open(schema *record.Schema) (io.WriteCloser, error) {
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	f, err := os.Create(filepath.Join(d.Dir, schema.Log+".log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	if d.Format != record.TSV {
		return f, nil
	}
	if _, err := f.Write(d.header(schema)); err != nil {
		f.Close()
		return nil, fmt.Errorf("write log header: %w", err)
	}
	return &logFile{f, d.Opened}, nil
}

func (d *LogDir) header(schema *record.Schema) []byte {
	var b, types bytes.Buffer
	fmt.Fprintf(&b, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t%s\n#open\t%s\n#fields", schema.Log, stamp(d.Opened))
	for _, s := range []*record.Schema{record.Identity, schema} {
		for _, f := range s.Fields {
			b.WriteString("\t" + f.Name)
			types.WriteString("\t" + f.Type.String())
		}
	}
	fmt.Fprintf(&b, "\n#types%s\n", types.String())
	return b.Bytes()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02-15-04-05") }

// logFile adds Zeek's last line.
type logFile struct {
	*os.File
	opened time.Time
}

func (f *logFile) Close() error {
	_, err := fmt.Fprintf(f.File, "#close\t%s\n", stamp(f.opened))
	if e := f.File.Close(); err == nil {
		err = e
	}
	return err
}
