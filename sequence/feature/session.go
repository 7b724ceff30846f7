package feature

import (
	"slices"
	"strconv"

	"tyto/sequence"
)

// firstSizes is how many of the first messages are features of their own.
const firstSizes = 8

func (r *row) session(s *sequence.Sequence) {
	h := listen(s)
	r.put("carrier", float64(s.Carrier))
	r.put("rtt", decades(float64(s.RTT)))
	r.put("duration", decades(h.duration))
	r.put("duration-trips", trips(h.duration, s.RTT))
	r.totals(h)
	for d := range sides {
		r.sizes(h, d)
		r.gaps(h, d)
	}
	r.pauses(h)
	r.leads(h)
	r.typing(h)
	r.bursts(h)
	for i := range firstSizes {
		v := 0.
		if i < len(s.Messages) {
			v = signed(&s.Messages[i])
		}
		r.put("first-"+strconv.Itoa(i+1), v)
	}
}

func (r *row) totals(h *heard) {
	seconds := h.duration / second
	r.both("messages", [2]float64{bits(h.count[0]), bits(h.count[1])})
	r.put("messages-share", share(h.count[0], h.count[0]+h.count[1]))
	r.both("bytes", [2]float64{bits(h.bytes[0]), bits(h.bytes[1])})
	r.put("bytes-share", share(h.bytes[0], h.bytes[0]+h.bytes[1]))
	r.both("rate", [2]float64{bits(share(h.bytes[0], seconds)), bits(share(h.bytes[1], seconds))})
}

func (r *row) sizes(h *heard, d int) {
	sizes, side := slices.Sorted(slices.Values(h.sizes[d])), sides[d]
	different, mode := variety(sizes)
	r.put("size-10"+side, bits(quantile(sizes, 0.1)))
	r.put("size-50"+side, bits(quantile(sizes, 0.5)))
	r.put("size-90"+side, bits(quantile(sizes, 0.9)))
	r.put("size-most"+side, bits(quantile(sizes, 1)))
	r.put("size-variety"+side, different)
	r.put("size-mode"+side, mode)
	r.put("small"+side, share(h.small[d], h.count[d]))
	r.put("same-size"+side, share(h.same[d], h.count[d]))
}

func (r *row) gaps(h *heard, d int) {
	gaps, side := slices.Sorted(slices.Values(h.gaps[d])), sides[d]
	r.put("gap-10"+side, trips(quantile(gaps, 0.1), h.rtt))
	r.put("gap-50"+side, trips(quantile(gaps, 0.5), h.rtt))
	r.put("gap-90"+side, trips(quantile(gaps, 0.9), h.rtt))
}

func (r *row) pauses(h *heard) {
	pauses := slices.Sorted(slices.Values(h.pauses))
	r.put("pause-50", decades(quantile(pauses, 0.5)))
	r.put("pause-90", decades(quantile(pauses, 0.9)))
	r.put("pause-most", decades(quantile(pauses, 1)))
	r.put("pause-variation", variation(pauses))
	r.put("idle", share(h.idle, h.duration))
}

func (r *row) leads(h *heard) {
	between, all := slices.Sorted(slices.Values(h.between)), h.leads[0]+h.leads[1]
	r.both("leads", [2]float64{bits(h.leads[0]), bits(h.leads[1])})
	r.put("leads-share", share(h.leads[0], all))
	r.put("leads-rate", share(all, h.duration/second+1))
	r.both("leads-small", [2]float64{share(h.soft[0], h.count[0]), share(h.soft[1], h.count[1])})
	r.put("lead-interval", decades(quantile(between, 0.5)))
	r.put("lead-variation", variation(between))
	r.put("lead-skew", skew(between))
	r.put("lead-deviation", deviation(between))
}

func (r *row) typing(h *heard) {
	r.both("echo", [2]float64{share(h.echoes[0], h.count[0]), share(h.echoes[1], h.count[1])})
	r.both("pace", [2]float64{share(h.pace[0], h.count[0]), share(h.pace[1], h.count[1])})
	r.both("comb", [2]float64{share(h.comb[0], h.count[0]), share(h.comb[1], h.count[1])})
	r.put("comb-run", bits(h.combRun))
}

func (r *row) bursts(h *heard) {
	messages, total := slices.Sorted(slices.Values(h.bursts.messages)), h.bytes[0]+h.bytes[1]
	r.put("turns", bits(float64(len(h.turns[0])+len(h.turns[1]))))
	for d, side := range sides {
		r.put("turn-bytes"+side, bits(quantile(slices.Sorted(slices.Values(h.turns[d])), 0.5)))
	}
	r.put("burst-messages", bits(quantile(messages, 0.5)))
	r.both("burst-most", [2]float64{bits(h.bursts.largest[0]), bits(h.bursts.largest[1])})
	r.put("burst-share", share(quantile(slices.Sorted(slices.Values(h.bursts.bytes)), 1), total))
	r.put("acks", share(h.acks, h.count[0]+h.count[1]))
}
