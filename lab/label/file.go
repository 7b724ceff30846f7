package label

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Read reads and checks the truth of one run. Unknown fields and whatever
// Check finds are errors.
func Read(r io.Reader) (*Run, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("more than %d bytes", MaxFile)
	}
	// A comma becomes up to a Flow in memory, which is a hundred times larger.
	if n := bytes.Count(data, []byte{','}); n > maxCommas {
		return nil, fmt.Errorf("%d values, more than %d", n, maxCommas)
	}
	run := new(Run)
	if err := strictJSON(data, run); err != nil {
		return nil, err
	}
	if err := run.Check(); err != nil {
		return nil, err
	}
	return run, nil
}

// ReadFile reads and checks the truth in a file.
func ReadFile(name string) (*Run, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	run, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return run, nil
}

// Write checks a run and writes it: one flow a line, so that a person can read
// it and a difference is small.
func (r *Run) Write(w io.Writer) error {
	if err := r.Check(); err != nil {
		return err
	}
	head := *r
	head.Flows = nil
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&head); err != nil {
		return err
	}
	// Flows is the last field, which makes this the end whatever is before.
	const end = "null\n}\n"
	b.Truncate(b.Len() - len(end))
	b.WriteByte('[')
	e.SetIndent("", "")
	for i := range r.Flows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		if err := e.Encode(&r.Flows[i]); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteString("\n  ]\n}\n")
	if b.Len() > MaxFile {
		return fmt.Errorf("%d bytes, more than %d", b.Len(), MaxFile)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// WriteFile checks a run and writes it to a file, whole or not at all.
func (r *Run) WriteFile(name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	err = errors.Join(r.Write(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// strictJSON decodes the one value in data.
func strictJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("not as it must be: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more after the end")
	}
	return nil
}
