package enterprise

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tyto/detection"
	"tyto/lab/enterprise"
	"tyto/session"
)

// TestTable prints the table of a size, if TABLE gives it: hosts, days, campaigns,
// twins, sites.
func TestTable(t *testing.T) {
	text := os.Getenv("TABLE")
	if text == "" {
		t.Skip("TABLE gives no size")
	}
	o := Defaults()
	o.Clock = used
	for i, part := range strings.Split(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			t.Fatal(err)
		}
		*[]*int{&o.Hosts, &o.Days, &o.Campaigns, &o.Twins, &o.Sites}[i] = n
	}
	if v, err := strconv.ParseFloat(os.Getenv("ACTIVITY"), 64); err == nil {
		o.Activity = v
	}
	if v := os.Getenv("ONLY"); v != "" {
		o.Only = strings.Split(v, ",")
	}
	r, err := Run(context.Background(), os.Stdout, o)
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("DRAW"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := r.Draw(f); err != nil {
			t.Fatal(err)
		}
	}
}

// used returns how long this process has computed.
func used() time.Time {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Time{}
	}
	return time.Unix(0, u.Utime.Nano()+u.Stime.Nano())
}

// TestRun measures a small organisation: what is heard in sessions must find more
// than who talks to whom, and nobody else may be accused.
func TestRun(t *testing.T) {
	var b strings.Builder
	o := Options{Hosts: 120, Days: 4, Campaigns: 8, Twins: 5, Sites: 1, Seed: 11, Activity: 1, Only: []string{"never-seen edge", "edge model alone", "tyto without in-session evidence", "tyto"}}
	r, err := Run(context.Background(), &b, o)
	if err != nil {
		t.Fatal(err)
	}
	at := make(map[string]Point)
	for _, row := range r.Rows {
		at[row.Name] = row.At[1]
		if !strings.Contains(b.String(), "| "+row.Name+" |") {
			t.Errorf("the table has no row %q", row.Name)
		}
		for i := 1; i < len(row.At); i++ {
			if row.At[i].Recall > row.At[i-1].Recall {
				t.Errorf("%s: recall grows from %.2f to %.2f with fewer alerts", row.Name, row.At[i-1].Recall, row.At[i].Recall)
			}
		}
	}
	whole, deaf := at["tyto"], at["tyto without in-session evidence"]
	if whole.Recall < deaf.Recall+0.2 || whole.Recall < at["never-seen edge"].Recall+0.2 {
		t.Errorf("recall at 3 a day: %.2f with what is heard, %.2f without, %.2f by edges never seen", whole.Recall, deaf.Recall, at["never-seen edge"].Recall)
	}
	if whole.Top.Share() < 0.5 {
		t.Errorf("controllers named right: %d of %d", whole.Top.Of, whole.Top.N)
	}
	if n := r.Unseen[1]; n.N == 0 || n.Share() < 0.4 {
		t.Errorf("hops over edges never seen: %d of %d", n.Of, n.N)
	}
}

// TestJudge wants an alert to be of the campaign that at least half of it rests on.
func TestJudge(t *testing.T) {
	uid := func(i uint64) session.UID { return session.UID{1, i} }
	b := &bench{tags: map[session.UID]enterprise.Tag{uid(1): {Campaign: 4, Hop: 1}, uid(2): {Twin: 2}}}
	for _, v := range []struct {
		items          []item
		campaign, twin int
	}{
		{[]item{{uid(1), 2, 0}, {uid(9), 2, 0}}, 4, 0},
		{[]item{{uid(1), 2, 0}, {uid(9), 2.5, 0}}, 0, 0},
		{[]item{{uid(2), 2, 0}, {uid(1), 1, 0}, {uid(9), -5, 0}}, 0, 2},
		{nil, 0, 0},
	} {
		if a := b.judge(&report{items: v.items}); a.campaign != v.campaign || a.twin != v.twin {
			t.Errorf("%v: got campaign %d and twin %d, want %d and %d", v.items, a.campaign, a.twin, v.campaign, v.twin)
		}
	}
}

// TestPoint wants the threshold to let as many false alerts pass as it may, and
// the hop to be the one at which the evidence passes it.
func TestPoint(t *testing.T) {
	c := &enterprise.Campaign{ID: 1, Hops: 3, Controller: detection.Party{Domain: "c2"}}
	found := &outcome{alert: &alert{score: 9, campaign: 1, items: []item{{weight: 3, at: 100e9}, {weight: 3, at: 500e9}, {weight: 3, at: 900e9}}}, campaign: c, ends: []int64{100e9, 500e9, 900e9}}
	r := &Report{days: 2, Found: 2}
	row := &Row{Name: "x", alerts: []*outcome{found}}
	for _, score := range []float64{8, 5, 4, 2, 1} {
		row.alerts = append(row.alerts, &outcome{alert: &alert{score: score}})
	}
	p := r.point(row, 1) // two in two days
	if p.Threshold != 4 || p.Recall != 0.5 || p.Hop != 2 {
		t.Errorf("got threshold %v, recall %v, hop %v; want 4, 0.5, 2", p.Threshold, p.Recall, p.Hop)
	}
	if p := r.point(row, 0.5); p.Threshold != 5 || p.Hop != 2 {
		t.Errorf("got threshold %v, hop %v; want 5, 2", p.Threshold, p.Hop)
	}
}

// TestRank wants figures of a list as by hand: a hop, another, a hop.
func TestRank(t *testing.T) {
	r := rank("x", []scored{{3, true}, {2, false}, {1, true}})
	if math.Abs(r.Precision-(0.5+0.5*2/3)) > 1e-12 || r.AUC != 0.5 {
		t.Errorf("got %+v, want precision %v and AUC 0.5", r, 0.5+0.5*2/3.)
	}
}
