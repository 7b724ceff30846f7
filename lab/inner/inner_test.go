package inner

import (
	"slices"
	"testing"

	"tyto/lab/label"
)

func TestOutward(t *testing.T) {
	for _, c := range []struct {
		reverse bool
		state   label.State
		want    label.State
	}{
		{false, label.StateDownload, label.StateDownload},
		{true, label.StateDownload, label.StateUpload},
		{true, label.StateUpload, label.StateDownload},
	} {
		if got := (Way{Reverse: c.reverse}).outward(c.state); got != c.want {
			t.Errorf("reverse %v, inner %v: outer %v, want %v", c.reverse, c.state, got, c.want)
		}
	}
}

func TestAccepts(t *testing.T) {
	for w, want := range map[*Way]bool{
		{Addr: "127.0.0.1"}: true, {Proxy: "socks5h://127.0.0.1:9050", Addr: "192.0.2.1"}: true, {Proxy: "http://192.0.2.1:3128"}: false, {Addr: "10.8.1.1"}: false,
	} {
		if got := w.accepts(); got != want {
			t.Errorf("%+v: %v, want %v", *w, got, want)
		}
	}
}

func TestWebParamsHaveNoShell(t *testing.T) {
	for _, p := range WebParams("40") {
		if slices.Contains(p.Values, "shell") || slices.Contains(p.Values, "mix") {
			t.Errorf("%s may be %v", p.Name, p.Values)
		}
	}
	if all := Params("40"); !slices.Contains(all[0].Values, "shell") {
		t.Errorf("%s may be %v only", all[0].Name, all[0].Values)
	}
}
