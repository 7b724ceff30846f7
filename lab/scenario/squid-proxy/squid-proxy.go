// Package squidproxy is a company's web proxy and those who use it.
package squidproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario has three hosts of a company use the web through squid.
var Scenario = lab.Scenario{
	Name:     "squid-proxy",
	Doc:      "Several hosts of a company use the web through its proxy, squid: requests made to the proxy, and connections through it with CONNECT. The benign twin of tunnels through proxies.",
	Labels:   []label.Label{label.Proxy, label.Poll, label.Browse, label.Download, label.Keepalive, label.Shell, label.Stream, label.Upload},
	Twin:     "http-connect",
	Hosts:    []string{"client", "desk", "laptop", "proxy", "web"},
	Near:     []string{"desk", "laptop"},
	Variants: []lab.Variant{{Name: "curl-squid", Needs: inner.Needs("squid", "nc", "ncat")}},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the proxy", Values: []string{"3128", "3128", "8080", "80"}},
		lab.Param{Name: "auth", Doc: "how users are known", Values: []string{"none", "password"}},
		lab.Param{Name: "plain", Doc: "how http is asked for: by a request to the proxy, or through it", Values: []string{"forward", "forward", "connect"}},
		lab.Param{Name: "polls", Doc: "requests of each other host", Values: []string{"2", "4", "8"}},
		lab.Param{Name: "period", Doc: "seconds between them, about", Values: []string{"1", "3", "8"}},
		lab.Param{Name: "answer", Doc: "to them in bytes, about", Values: []string{"200", "2000", "20000"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	proxy, web, others := r.Host("proxy"), r.Host("web"), []*lab.Host{r.Host("desk"), r.Host("laptop")}
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	if err := errors.Join(proxy.Names(map[string]*lab.Host{s.Name: web}), s.Authority.Trust(ctx, others...)); err != nil {
		return err
	}
	login := ""
	if r.Param("auth") == "password" {
		login = fmt.Sprintf("pxuser:px%08x", r.Rand().Uint32())
	}
	if err := anon.Squid(ctx, r, proxy, r.ParamInt("port"), login); err != nil {
		return err
	}
	status := lab.Random(int(float64(r.ParamInt("answer"))*(.5+r.Rand().Float64())), r.Rand())
	if err := web.Write("www/status", status, 0o644); err != nil {
		return err
	}
	way := inner.Way{Proxy: fmt.Sprintf("http://%s:%s", proxy.Addr(), r.Param("port")), Login: login, Outer: lab.Of, Each: true, Forward: r.Param("plain") == "forward"}
	all := []func(context.Context) error{func(ctx context.Context) error {
		return s.Carry(ctx, r, func(_ context.Context, activity string) (inner.Way, error) {
			own := way
			own.Labels = []label.Label{label.Proxy, anon.Plain[activity]}
			return own, nil
		})
	}}
	for _, h := range others {
		all = append(all, func(ctx context.Context) error { return poll(ctx, r, h, s, way, status) })
	}
	return lab.Together(ctx, all...)
}

// poll has a host ask for the same page again and again.
func poll(ctx context.Context, r *lab.Run, h *lab.Host, s *inner.Services, way inner.Way, want string) error {
	r.Installed(h, "curl")
	rng := r.NewRand("poll " + h.Name())
	url := fmt.Sprintf("%s://%s:%d/status", r.Param("scheme"), s.Name, s.Port)
	args := []string{"curl", "-sSf", "--proxy", way.Proxy, "-o", "got", url}
	if way.Login != "" {
		args = append(args, "--proxy-user", way.Login)
	}
	if !way.Forward {
		args = append(args, "--proxytunnel")
	}
	for range r.ParamInt("polls") {
		if err := r.Sleep(ctx, time.Duration(float64(r.ParamInt("period"))*(.4+1.2*rng.Float64())*float64(time.Second))); err != nil {
			return err
		}
		p, err := h.Start(ctx, lab.Command{Args: args})
		if err != nil {
			return err
		}
		r.Label(lab.Of(p), label.Proxy, label.Poll)
		if err := p.Wait(ctx); err != nil {
			return err
		}
		r.Span(lab.Of(p), p.Started(), r.Now(), label.StateExchange, strings.TrimPrefix(url, r.Param("scheme")+"://"))
		if got, err := h.Read("got"); err != nil || string(got) != want {
			return fmt.Errorf("%s got %d other bytes: %v", h.Name(), len(got), err)
		}
	}
	return nil
}
