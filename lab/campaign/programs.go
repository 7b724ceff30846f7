package campaign

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Programs are for lab.Scenario.Programs of campaigns.
func Programs() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"store": store, "habits": habits}
}

// store is a program that serves pages of many sizes, and keeps what is put
// below /upload/.
func store(ctx context.Context, _ []string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /upload/{name}", func(w http.ResponseWriter, q *http.Request) {
		name := path.Base(q.PathValue("name"))
		data, err := io.ReadAll(io.LimitReader(q.Body, 64<<20))
		if err == nil && (strings.HasPrefix(name, ".") || name == "/") {
			err = errors.New("not a name")
		}
		if err == nil {
			err = os.WriteFile(name, data, 0o644)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "{\"received\": %d}\n", len(data))
	})
	mux.HandleFunc("GET /{size}", func(w http.ResponseWriter, q *http.Request) {
		n, _ := strconv.Atoi(q.PathValue("size"))
		w.Write(make([]byte, min(max(n, 0), 1<<20)))
	})
	server := &http.Server{Addr: ":443", Handler: mux}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServeTLS("server.pem", "server.key"); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// habits is a program that is a machine's own traffic: it looks names up and
// asks the server of a name (args[0]) for something, every args[1] seconds or
// so; args[2] is its seed. It goes on until it is ended.
func habits(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("habits wants a name, seconds and a seed")
	}
	pause, err := strconv.ParseFloat(args[1], 64)
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	names := []string{"app.corp.example", "db.corp.example", "files.corp.example", "nobody.corp.example", args[0]}
	resolver := net.Resolver{PreferGo: true}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(pause * (.2 + rng.ExpFloat64()) * float64(time.Second))):
		}
		if rng.IntN(2) == 0 {
			resolver.LookupNetIP(ctx, "ip4", names[rng.IntN(len(names))])
			continue
		}
		size := int(2000 * (.1 + rng.ExpFloat64()*rng.ExpFloat64()))
		if err := get(ctx, fmt.Sprintf("https://%s/%d", args[0], size)); err != nil && ctx.Err() == nil {
			fmt.Println(err)
		}
	}
}

// get fetches a page in a connection of its own.
func get(ctx context.Context, url string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{}}}
	q, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
