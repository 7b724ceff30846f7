package suricata

import (
	"testing"

	"tyto/protocol/all"
	"tyto/sensor"
)

// TestBufferFields wants each buffer to be of a field that its records have, and
// each older name to be of a buffer.
func TestBufferFields(t *testing.T) {
	has := make(map[string]bool)
	for _, s := range sensor.Schemas(all.Set()) {
		for _, f := range s.Fields {
			has[s.Kind+" "+f.Name] = true
		}
	}
	for name, b := range buffers {
		if b.fields[0] == "" && b.fields[1] == "" {
			t.Errorf("%s is of no field", name)
		}
		for _, f := range b.fields {
			if f != "" && !has[b.kind+" "+f] {
				t.Errorf("%s: %s records have no field %s", name, b.kind, f)
			}
		}
	}
	for _, names := range []map[string]string{synonyms, behind, valued} {
		for old, name := range names {
			if buffers[name] == nil {
				t.Errorf("%s stands for %s, which there is not", old, name)
			}
		}
	}
}

// TestForms wants values in the form that rules expect.
func TestForms(t *testing.T) {
	for _, c := range []struct{ buffer, in, want string }{
		{"tls.cert_fingerprint", "ba323c", "ba:32:3c"},
		{"http.host", "Evil.example:8080", "evil.example"},
		{"http.host", "[2001:DB8::1]:80", "[2001:db8::1]"},
		{"http.host", "[2001:DB8::1]", "[2001:db8::1]"},
		{"ssh.software", "SSH-2.0-OpenSSH_9.6-p1", "OpenSSH_9.6-p1"},
		{"ssh.proto", "SSH-2.0-OpenSSH_9.6", "2.0"},
	} {
		if got := string(buffers[c.buffer].form(nil, []byte(c.in))); got != c.want {
			t.Errorf("%s of %s: got %s, want %s", c.buffer, c.in, got, c.want)
		}
	}
}
