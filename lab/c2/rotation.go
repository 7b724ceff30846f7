package c2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tyto/lab"
)

// rotation sends each message to one of several domains, which it looks up: some
// do not exist, and some have an address where nobody is.
type rotation struct {
	plan  Plan
	rng   *rand.Rand
	at    int // the domain that is next
	way   *httpsChannel
	tried []Event // of lookups
}

func openRotation(p Plan, rng *rand.Rand) *rotation { return &rotation{plan: p, rng: rng} }

func (c *rotation) limit() int { return 512 << 10 }

func (c *rotation) close() {
	if c.way != nil {
		c.way.close()
		c.way = nil
	}
}

func (c *rotation) exchange(ctx context.Context, up []byte) ([]byte, []Event, error) {
	if c.way != nil && c.plan.Choice == "next" {
		c.close()
		c.at++
	}
	c.tried = nil
	var failed error
	for range len(c.plan.Names) + 1 {
		if c.way == nil {
			if err := c.resolve(ctx); err != nil {
				failed = errors.Join(failed, err)
				c.at++
				continue
			}
		}
		down, events, err := c.ask(ctx, up)
		if err == nil {
			return down, append(c.tried, events...), nil
		}
		failed = errors.Join(failed, err)
		c.close()
		c.at++
	}
	return nil, nil, fmt.Errorf("no domain answers: %w", failed)
}

// connectTime is how long the agent waits for a domain.
const connectTime = 8 * time.Second

func (c *rotation) ask(ctx context.Context, up []byte) ([]byte, []Event, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	if len(up) > 4096 {
		ctx, cancel = context.WithTimeout(ctx, 10*connectTime)
	}
	defer cancel()
	return c.way.exchange(ctx, up)
}

// resolve looks up the domain that is next and makes the way to it.
func (c *rotation) resolve(ctx context.Context) error {
	name := c.plan.Names[c.at%len(c.plan.Names)]
	conn, err := net.Dial("udp4", c.plan.Resolver.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	began := time.Now()
	id, buf := uint16(c.rng.Uint32()), make([]byte, 1500)
	for range 6 {
		if _, err := conn.Write(encodeQuery(id, name, typeA)); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(2500 * time.Millisecond))
		n, err := conn.Read(buf)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue // lost: again
		}
		c.tried = append(c.tried, Event{
			T0: began.UnixNano(), T1: time.Now().UnixNano(), Proto: "udp", Local: conn.LocalAddr().String(), Remote: c.plan.Resolver.String(),
			State: "exchange", Detail: "lookup " + name,
		})
		records, err := decodeAnswer(buf[:n], id)
		if err != nil || len(records) == 0 || len(records[0]) != 4 {
			return fmt.Errorf("%s: %w", name, errors.Join(err, errors.New("no address")))
		}
		p := c.plan
		p.Name, p.Server = name, netip.AddrPortFrom(netip.AddrFrom4([4]byte(records[0])), c.plan.Server.Port())
		if err := checkAddr(p.Server.Addr()); err != nil {
			return err
		}
		c.way = &httpsChannel{plan: p, rng: c.rng, client: httpsClient(p)}
		return nil
	}
	return fmt.Errorf("%s: no answer", name)
}

// Zone starts unbound on a host, which knows the addresses of names, and that
// no others exist.
func Zone(ctx context.Context, r *lab.Run, h *lab.Host, addrs map[string]netip.Addr) error {
	conf := "server:\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n interface: 0.0.0.0\n access-control: 0.0.0.0/0 allow\n module-config: \"iterator\"\n local-zone: \".\" static\n"
	for _, name := range slices.Sorted(maps.Keys(addrs)) {
		conf += fmt.Sprintf(" local-data: \"%s. 60 IN A %s\"\n", name, addrs[name])
	}
	if err := h.Write("dns.conf", conf, 0o644); err != nil {
		return err
	}
	r.Installed(h, "unbound")
	if _, err := h.Start(ctx, lab.Command{Args: []string{"unbound", "-d", "-c", h.Dir() + "/dns.conf"}}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "udp", 53)
}

// MadeUp draws a name as a generator of domains does.
func MadeUp(rng *rand.Rand) string {
	var b strings.Builder
	for range 8 + rng.IntN(12) {
		b.WriteByte(byte('a' + rng.IntN(26)))
	}
	return b.String() + []string{".example", ".example.net", ".example.org"}[rng.IntN(3)]
}
