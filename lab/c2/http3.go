package c2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// http3Channel sends each message in a request of HTTP/3.
type http3Channel struct {
	quicDialer
	requests  *httpsChannel // makes them
	transport *http3.Transport
}

func openHTTP3(p Plan, rng *rand.Rand) (channel, error) {
	return &http3Channel{quicDialer: quicDialer{plan: p, protocol: http3.NextProtoH3}, requests: &httpsChannel{plan: p, rng: rng}}, nil
}

func (c *http3Channel) limit() int { return 512 << 10 }

func (c *http3Channel) close() {
	if c.transport != nil {
		c.transport.Close()
		c.transport = nil
	}
	c.quicDialer.close()
}

func (c *http3Channel) exchange(ctx context.Context, up []byte) ([]byte, []Event, error) {
	if c.transport == nil {
		c.transport = &http3.Transport{Dial: func(ctx context.Context, _ string, _ *tls.Config, _ *quic.Config) (*quic.Conn, error) {
			return c.dial(ctx)
		}}
	}
	if !c.plan.KeepAlive {
		defer c.close()
	}
	began := time.Now()
	method, path, header, body := c.requests.request(up)
	q, err := http.NewRequestWithContext(ctx, method, "https://"+c.plan.Name+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	q.Header = header
	a, err := c.transport.RoundTrip(q)
	if err != nil {
		return nil, nil, err
	}
	defer a.Body.Close()
	data, err := content(a)
	if err != nil {
		return nil, nil, err
	}
	down, err := unwrap(c.plan.Shape, data)
	return down, c.told(began), err
}

// serveHTTP3 answers agents' requests.
func (c *controller) serveHTTP3(ctx context.Context) error {
	cert, err := tls.LoadX509KeyPair("cert.pem", "cert.key")
	if err != nil {
		return err
	}
	server := &http3.Server{
		Addr: ":443", Handler: c.pages(), QUICConfig: (&quicDialer{plan: Plan{PacketSize: c.plan.PacketSize}}).config(),
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}}),
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		return err
	}
	return nil
}
