package sshinfer

import (
	"slices"
	"testing"

	"tyto/behavior"
)

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		what   string
		heard  *behavior.Heard
		before []string
		want   []string
	}{
		{"nothing heard", nil, nil, nil},
		{"a shell, and files both ways that leave", &behavior.Heard{Labels: []behavior.Label{{Name: "shell", P: .9}, {Name: "upload", P: .8}, {Name: "exfiltration", P: .7}, {Name: "download", P: .6}}}, nil, []string{"KS", "SFU", "SFD"}},
		{"unlikely", &behavior.Heard{Labels: []behavior.Label{{Name: "command", P: .6}, {Name: "shell", P: .3}}}, nil, []string{"AUTO"}},
		{"labels without a code", &behavior.Heard{Labels: []behavior.Label{{Name: "tunnel", P: .9}, {Name: "keepalive", P: .9}}}, nil, nil},
		{"what is in the list stays", &behavior.Heard{Labels: []behavior.Label{{Name: "reverse-shell", P: .9}}}, []string{"x"}, []string{"x", "RSK"}},
	} {
		if got := Append(tt.before, tt.heard); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}
