package metric

import (
	"slices"
	"testing"
)

func TestIoU(t *testing.T) {
	for _, c := range []struct {
		a, b Span
		want float64
	}{
		{Span{From: 0, To: 10}, Span{From: 0, To: 10}, 1},
		{Span{From: 0, To: 10}, Span{From: 5, To: 10}, 0.5},
		{Span{From: 0, To: 10}, Span{From: 5, To: 15}, 1. / 3},
		{Span{From: 0, To: 10}, Span{From: 10, To: 20}, 0},
		{Span{From: 0, To: 10}, Span{From: 30, To: 40}, 0},
		{Span{From: 5, To: 5}, Span{From: 5, To: 5}, 1},
		{Span{From: 5, To: 5}, Span{From: 6, To: 6}, 0},
		{Span{From: 5, To: 5}, Span{From: 0, To: 10}, 0},
	} {
		if got := IoU(c.a, c.b); !near(got, c.want) {
			t.Errorf("%v %v: %v, want %v", c.a, c.b, got, c.want)
		}
		if got := IoU(c.b, c.a); !near(got, c.want) {
			t.Errorf("%v %v: %v, want %v", c.b, c.a, got, c.want)
		}
	}
}

func TestMatchSpans(t *testing.T) {
	for _, c := range []struct {
		name         string
		truth, found []Span
		want         []Counts
	}{
		{"found", []Span{{0, 10, 0}}, []Span{{0, 6, 0}}, []Counts{{TP: 1}, {}}},
		{"too short", []Span{{0, 10, 0}}, []Span{{0, 4, 0}}, []Counts{{FP: 1, FN: 1}, {}}},
		{"half is enough", []Span{{0, 10, 0}}, []Span{{5, 10, 0}}, []Counts{{TP: 1}, {}}},
		{"another class", []Span{{0, 10, 0}}, []Span{{0, 10, 1}}, []Counts{{FN: 1}, {FP: 1}}},
		{"found twice", []Span{{0, 10, 0}}, []Span{{0, 7, 0}, {1, 10, 0}}, []Counts{{TP: 1, FP: 1}, {}}},
		{"one for two", []Span{{0, 10, 0}, {0, 12, 0}}, []Span{{0, 11, 0}}, []Counts{{TP: 1, FN: 1}, {}}},
		{"at once", []Span{{0, 10, 0}, {2, 9, 1}}, []Span{{2, 9, 1}, {0, 9, 0}}, []Counts{{TP: 1}, {TP: 1}}},
		{"nothing found", []Span{{0, 10, 1}}, nil, []Counts{{}, {FN: 1}}},
	} {
		got := make([]Counts, 2)
		MatchSpans(got, c.truth, c.found, 0.5)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestMatchBoundaries(t *testing.T) {
	for _, c := range []struct {
		name         string
		truth, found []int64
		want         Counts
	}{
		{"exact", []int64{10, 50}, []int64{10, 50}, Counts{TP: 2}},
		{"within", []int64{10, 50}, []int64{0, 60}, Counts{TP: 2}},
		{"outside", []int64{100}, []int64{89, 111}, Counts{FP: 2, FN: 1}},
		{"one for each", []int64{10}, []int64{8, 12}, Counts{TP: 1, FP: 1}},
		// 10 could be with 15, but then 0 would have none.
		{"as many as can be", []int64{0, 10, 20}, []int64{5, 15, 29}, Counts{TP: 3}},
		{"none found", []int64{1, 2}, nil, Counts{FN: 2}},
		{"none there", nil, []int64{1, 2}, Counts{FP: 2}},
	} {
		if got := MatchBoundaries(c.truth, c.found, 10); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestBoundaries(t *testing.T) {
	got := Boundaries([]Span{{5, 9, 0}, {0, 5, 1}, {5, 7, 1}})
	if want := []int64{0, 5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
