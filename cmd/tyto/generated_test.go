package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"tyto/hunt"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/protocol/all"
	"tyto/sensor"
)

// TestGenerated holds the references in docs/ against the code they are made
// from; UPDATE=1 writes them ("make generate").
func TestGenerated(t *testing.T) {
	for name, want := range map[string]string{"../../docs/fields.md": fieldsReference(), "../../docs/protocols.md": protocolsReference(), "../../docs/hunt.md": hunt.Reference(), "../../docs/detections.md": detectionsReference()} {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the code says: run \"make generate\"", name)
		}
	}
}

// TestSchemas wants every field to have a type, a name of its own and a
// sentence that says what it is.
func TestSchemas(t *testing.T) {
	for _, s := range sensor.Schemas(all.Set(sensor.TunnelDefinitions()...)) {
		seen := make(map[string]bool)
		for _, f := range s.Fields {
			if f.Name == "" || f.Type == record.Invalid || f.Doc == "" {
				t.Errorf("%s: field %q has no name, type or documentation", s.Kind, f.Name)
			}
			if seen[f.Name] {
				t.Errorf("%s: two fields %q", s.Kind, f.Name)
			}
			seen[f.Name] = true
		}
	}
}

func fieldsReference() string {
	var b bytes.Buffer
	b.WriteString("# Records and their fields\n\nMade from the code by `make generate`.\n\n" +
		"`--json` writes one object a line with its kind in `record`; `--logs DIR` writes the kinds that have a log, with Zeek's\n" +
		"headers. Every record about a session starts with `ts`, `uid`, `id.orig_h`, `id.orig_p`, `id.resp_h` and `id.resp_p`.\n" +
		"Fields without a value are left out of JSON and are `-` in logs.\n")
	for _, s := range sensor.Schemas(all.Set(sensor.TunnelDefinitions()...)) {
		fmt.Fprintf(&b, "\n## %s\n\n%s", s.Kind, s.Doc)
		if s.Log != "" {
			fmt.Fprintf(&b, " Log: `%s.log`.", s.Log)
		}
		b.WriteString("\n\n| field | type | meaning |\n|---|---|---|\n")
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, strings.ReplaceAll(f.Doc, "|", `\|`))
		}
	}
	return b.String()
}

func protocolsReference() string {
	defs := slices.Clone(all.Set(sensor.TunnelDefinitions()...).Definitions())
	slices.SortFunc(defs, func(a, b protocol.Definition) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Protocols\n\nMade from the code by `make generate`. %d protocols are recognised, whatever the port.\n\n"+
		"| app | service | usual ports | records | what it is |\n|---|---|---|---|---|\n", len(defs))
	for _, d := range defs {
		var ports, kinds []string
		for _, p := range d.Ports {
			ports = append(ports, fmt.Sprint(p))
		}
		for _, s := range d.Schemas {
			kinds = append(kinds, s.Kind)
		}
		service := d.Service
		if service == "" {
			service = d.Name
		}
		name := d.Name
		if len(d.Apps) > 0 {
			name += " (" + strings.Join(d.Apps, ", ") + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, service, strings.Join(ports, " "), strings.Join(kinds, ", "), strings.ReplaceAll(d.Doc, "|", `\|`))
	}
	return b.String()
}
