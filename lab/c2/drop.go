package c2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Drop starts a server on a host that keeps what is sent to it by POST and PUT:
// the plan says under which name and whether nginx is before it.
func Drop(ctx context.Context, r *lab.Run, client, server *lab.Host, p Plan) (*lab.Process, error) {
	if err := Secure(ctx, r, client, server, p); err != nil {
		return nil, err
	}
	if err := server.Write(planFile, p.encode(), 0o644); err != nil {
		return nil, err
	}
	r.Software(server.Name(), "net/http", runtime.Version())
	d, err := server.Start(ctx, lab.Command{Program: "drop"})
	if err != nil {
		return nil, err
	}
	err = server.WaitListen(ctx, "tcp", 443)
	if p.Front {
		err = errors.Join(err, server.WaitListen(ctx, "tcp", frontPort))
	}
	return d, err
}

// CheckUploads ends a drop, holds what it received against the files, of which
// owners are the processes that sent them, and tells the segments. A process may
// print "sent FILE BEGAN OVER" in nanoseconds since the epoch; else the drop's
// own times are told.
func CheckUploads(r *lab.Run, d *lab.Process, server *lab.Host, files map[string]string, owners map[string]*lab.Process) error {
	d.Stop()
	seen := make(map[*lab.Process]bool)
	came := make(map[string]bool)
	for line := range strings.Lines(d.Output()) {
		var began, over label.Time
		var name string
		if n, _ := fmt.Sscanf(line, "%d %d %s", &began, &over, &name); n != 3 || owners[name] == nil {
			return fmt.Errorf("the drop says %q", line)
		}
		if got, err := server.Read(name); err != nil || string(got) != files[name] {
			return fmt.Errorf("%s came as %d other bytes: %v", name, len(got), err)
		}
		p := owners[name]
		if _, sent, ok := strings.Cut(p.Output(), "sent "+name+" "); ok {
			if n, _ := fmt.Sscanf(sent, "%d %d", &began, &over); n != 2 {
				return fmt.Errorf("the client says %q", sent)
			}
		}
		if !seen[p] {
			r.Span(lab.Of(p), p.Started(), began, label.StateHandshake, "")
		}
		seen[p], came[name] = true, true
		r.Span(lab.Of(p), began, over, label.StateUpload, name)
	}
	if len(came) != len(files) {
		return fmt.Errorf("%d of %d files arrived", len(came), len(files))
	}
	return nil
}

// DropPrograms are for lab.Scenario.Programs of scenarios with a drop.
func DropPrograms() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"drop": drop}
}

func drop(ctx context.Context, _ []string) error {
	if err := inLab(); err != nil {
		return err
	}
	p, err := readPlan(planFile)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	server := &http.Server{Addr: ":443", Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		began := time.Now()
		name := path.Base(q.URL.Path)
		data, err := io.ReadAll(io.LimitReader(q.Body, 64<<20))
		if err == nil {
			err = checkName(name)
		}
		if err == nil {
			err = os.WriteFile(name, data, 0o644)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(map[string]int{"received": len(data)})
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(began.UnixNano(), time.Now().UnixNano(), name)
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	if p.Front {
		server.Addr = fmt.Sprintf("127.0.0.1:%d", frontPort)
		err = server.ListenAndServe()
	} else {
		err = server.ListenAndServeTLS("cert.pem", "cert.key")
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
