package auto

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"tyto/lab/webapp"
)

// Order is work that a management server has for an agent.
type Order struct {
	Poll    int    // the number of the poll, from 1, that is answered with it
	ID      int    `json:"id"`
	Command string `json:"command,omitempty"` // of the shell
	File    string `json:"file,omitempty"`    // to fetch, from the server's directory
}

// Want is what the output of each command of administration has in any case.
var Want = map[string]string{
	"uname -a && cat /etc/os-release": "VERSION_ID", "df -h": "Use%", "ps aux": "COMMAND", "ip addr && ip route": "eth0",
	"cat /proc/meminfo": "MemFree", "dpkg-query -l | head -n 300": "Version", "ls -l /usr/bin | head -n 200": "total", "cat /etc/passwd": "root:x:0:0",
	"ss -tanp": "State", "uptime": "load average", "md5sum /etc/hosts": "/etc/hosts", "sysctl -a 2>/dev/null | head -n 150": "kernel.",
}

// ordersFile has the orders of a management server.
const ordersFile = "orders.json"

// EncodeOrders makes the file ordersFile, whose name it returns.
func EncodeOrders(orders []Order) (name, text string) {
	b, err := json.Marshal(orders)
	if err != nil {
		panic(err) // it has no values that JSON cannot hold
	}
	return ordersFile, string(b)
}

// ServeOrders is a program of a scenario that manages one agent: it answers
// GET /v1/orders with an order or with the status 204, has files at /files/ and
// keeps what comes to /v1/results/ID as result-ID. After the arguments of
// webapp.Serve comes how long it holds a poll at most, 0 for not at all, and a
// seed.
func ServeOrders(ctx context.Context, args []string) error {
	hold, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	var seed uint64
	if _, err := fmt.Sscan(args[3], &seed); err != nil {
		return err
	}
	text, err := os.ReadFile(ordersFile)
	if err != nil {
		return err
	}
	var orders []Order
	if err := json.Unmarshal(text, &orders); err != nil {
		return err
	}
	var polls atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/orders", func(w http.ResponseWriter, q *http.Request) {
		n := int(polls.Add(1))
		time.Sleep(time.Duration(float64(hold) * rand.New(rand.NewPCG(seed, uint64(n))).Float64()))
		for _, o := range orders {
			if o.Poll == n {
				json.NewEncoder(w).Encode(o) // an agent that has gone gets nothing
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("GET /files/", http.StripPrefix("/files/", http.FileServer(http.Dir("."))))
	mux.HandleFunc("POST /v1/results/{id}", func(w http.ResponseWriter, q *http.Request) {
		data, err := io.ReadAll(q.Body)
		if err == nil {
			err = os.WriteFile("result-"+path.Base(q.PathValue("id")), data, 0o644)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"received": %d}`, len(data))
	})
	return webapp.Serve(ctx, args, mux)
}

// Managed is a program of a scenario that polls a management server, whose URL
// is its first argument, after pauses in seconds, which are the others, does
// what it is told and reports it.
func Managed(ctx context.Context, args []string) error {
	url := args[0]
	for _, pause := range args[1:] {
		d, err := time.ParseDuration(pause + "s")
		if err != nil {
			return err
		}
		time.Sleep(d)
		text, err := webapp.Do(ctx, http.MethodGet, url+"/v1/orders", "", nil)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			continue
		}
		var o Order
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		var result []byte
		if o.File != "" {
			if result, err = webapp.Do(ctx, http.MethodGet, url+"/files/"+o.File, "", nil); err == nil {
				err = os.WriteFile(path.Base(o.File), result, 0o644)
			}
			result = fmt.Appendf(nil, "wrote %d bytes", len(result))
		} else if result, err = exec.CommandContext(ctx, "sh", "-c", o.Command).CombinedOutput(); err != nil {
			result, err = fmt.Appendf(result, "\n%v", err), nil
		}
		if err != nil {
			return err
		}
		answer, err := webapp.Do(ctx, http.MethodPost, fmt.Sprint(url, "/v1/results/", o.ID), "text/plain", bytes.NewReader(result))
		if want := fmt.Sprintf(`{"received": %d}`, len(result)); err != nil || !strings.Contains(string(answer), want) {
			return fmt.Errorf("the server says %q: %w", answer, err)
		}
	}
	return nil
}

// ManagedPython is Managed for Python's requests.
//
//go:embed managed.py
var ManagedPython string
