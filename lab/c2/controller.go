package c2

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// controller answers agents by plan: the first agent gets the tasks.
type controller struct {
	plan Plan
	most int // bytes of data in an answer

	mu       sync.Mutex
	out      *json.Encoder
	checkins map[string]int
	next     int // task
	done     time.Time
	parts    map[int][]byte // results that are not whole yet
}

// runController is a program of the lab.
func runController(ctx context.Context, _ []string) error {
	if err := inLab(); err != nil {
		return err
	}
	p, err := readPlan(planFile)
	if err != nil {
		return err
	}
	c := &controller{plan: p, most: 256 << 10, out: json.NewEncoder(os.Stdout), checkins: make(map[string]int), parts: make(map[int][]byte)}
	switch p.Transport {
	case "https", "websocket", "stream", "rotate":
		return c.serveHTTPS(ctx)
	case "http3":
		return c.serveHTTP3(ctx)
	case "quic":
		return c.serveQUIC(ctx)
	case "dns":
		return c.serveDNS(ctx)
	case "icmp":
		return c.serveICMP(ctx)
	}
	return fmt.Errorf("there is no transport %q", p.Transport)
}

// handle answers a message.
func (c *controller) handle(up []byte) ([]byte, error) {
	m, err := decode(up)
	if err != nil {
		return nil, err
	}
	if m.Kind == "relay" {
		down, err := c.handle(m.Data)
		return message{Kind: "data", Data: down}.encode(), err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := message{Kind: "none"}
	switch m.Kind {
	case "checkin":
		c.checkins[m.Agent]++
		if m.Agent == c.plan.Agent {
			answer.Task, err = c.task(c.checkins[m.Agent])
		}
		if answer.Task != nil {
			answer.Kind = "task"
		}
	case "result":
		err = c.result(m)
	case "get":
		answer.Kind = "data"
		answer.Data, err = c.part(m)
	default:
		err = fmt.Errorf("an agent says %q", m.Kind)
	}
	answer.Pending = m.Agent == c.plan.Agent && c.next < len(c.plan.Tasks)
	return answer.encode(), err
}

// task returns what is to be done at the nth check-in, if anything is.
func (c *controller) task(n int) (*Task, error) {
	if c.next == len(c.plan.Tasks) {
		return nil, nil
	}
	t := c.plan.Tasks[c.next]
	if n <= t.After || time.Since(c.done) < t.Wait {
		return nil, nil
	}
	c.next++
	if t.Kind == "download" {
		info, err := os.Stat(t.Arg)
		if err != nil {
			return nil, err
		}
		t.Size = int(info.Size())
	}
	return &t, nil
}

// resultFile is where the controller puts an uploaded file.
func resultFile(id int) string { return fmt.Sprintf("result-%d", id) }

func (c *controller) result(m message) error {
	if m.ID < 1 || m.ID > len(c.plan.Tasks) || m.Offset != len(c.parts[m.ID]) {
		return fmt.Errorf("part at %d of task %d", m.Offset, m.ID)
	}
	data := append(c.parts[m.ID], m.Data...)
	c.parts[m.ID] = data
	if !m.Last {
		return nil
	}
	delete(c.parts, m.ID)
	c.done = time.Now()
	t := c.plan.Tasks[m.ID-1]
	r := Result{Agent: m.Agent, ID: t.ID, Kind: t.Kind, Arg: t.Arg, Bytes: len(data)}
	switch t.Kind {
	case "command":
		r.Output = string(data)
	case "upload":
		if err := os.WriteFile(resultFile(t.ID), data, 0o644); err != nil {
			return err
		}
	}
	return c.out.Encode(r)
}

// part is a part of a file that an agent downloads.
func (c *controller) part(m message) ([]byte, error) {
	if m.ID < 1 || m.ID > len(c.plan.Tasks) || checkName(c.plan.Tasks[m.ID-1].Arg) != nil {
		return nil, fmt.Errorf("there is no file of task %d", m.ID)
	}
	data, err := os.ReadFile(c.plan.Tasks[m.ID-1].Arg)
	if err != nil || m.Offset < 0 || m.Offset > len(data) {
		return nil, fmt.Errorf("%s at %d: %w", c.plan.Tasks[m.ID-1].Arg, m.Offset, err)
	}
	most := c.most
	if c.plan.Part > 0 {
		most = min(most, c.plan.Part)
	}
	return data[m.Offset:min(len(data), m.Offset+most)], nil
}
