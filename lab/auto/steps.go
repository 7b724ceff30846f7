package auto

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Step is a request that a program makes of a server.
type Step struct {
	Pause  time.Duration // before it
	Method string
	URL    string
	File   string // with the body, in the host's directory; none if empty
	Header map[string]string
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   string
	Over   label.Time // when all had come
}

// Connections is the knob of programs that make steps.
func Connections() lab.Param {
	return lab.Param{Name: "connection", Doc: "one for all requests, or a new one each time; always new with curl", Values: []string{"keep", "new"}}
}

// stepsFile is where a host has its steps; steps.py knows it too.
const stepsFile = "steps.json"

//go:embed steps.py
var stepsPython string

// Take has a client on h make the steps: "go", whose scenario has the program
// "client", which is Steps; "requests" and "aiohttp", libraries of Python; or
// "curl", a new one for each step.
func Take(ctx context.Context, r *lab.Run, h *lab.Host, client string, steps []Step) ([]Answer, error) {
	command, err := webapp.Client(r, h, client, stepsPython)
	if err != nil {
		return nil, err
	}
	if client == "curl" {
		r.SetParam("connection", "new")
		command.Args = []string{"sh", "-ec", curlScript(steps)}
	} else {
		command.Args = append(command.Args, r.Param("connection"))
	}
	text, err := json.Marshal(steps)
	if err != nil {
		return nil, err
	}
	if err := h.Write(stepsFile, string(text), 0o644); err != nil {
		return nil, err
	}
	out, err := h.Run(ctx, command)
	if err != nil {
		return nil, err
	}
	told := strings.Fields(string(out)) // a status and a time for each
	if len(told) != 2*len(steps) {
		return nil, fmt.Errorf("%d requests were not all answered: %s", len(steps), out)
	}
	all := make([]Answer, len(steps))
	for i := range all {
		body, err := h.Read(fmt.Sprint("answer", i))
		if err != nil {
			return nil, err
		}
		all[i].Body = string(body)
		if _, err := fmt.Sscan(told[2*i]+" "+told[2*i+1], &all[i].Status, &all[i].Over); err != nil {
			return nil, fmt.Errorf("%s says %q", client, out)
		}
	}
	return all, nil
}

func curlScript(steps []Step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "sleep %.3f\ncurl -sS -X %s -o answer%d -w '%%{http_code} '", s.Pause.Seconds(), s.Method, i)
		for name, value := range s.Header {
			fmt.Fprintf(&b, " -H '%s: %s'", name, value)
		}
		if s.File != "" {
			fmt.Fprintf(&b, " --data-binary @%s", s.File)
		}
		fmt.Fprintf(&b, " '%s'; date +%%s%%N; touch answer%d\n", s.URL, i)
	}
	return b.String()
}

// Steps is a program of a scenario that makes the steps of its host. Its
// argument is "keep" or "new": whether it keeps its connection.
func Steps(ctx context.Context, args []string) error {
	text, err := os.ReadFile(stepsFile)
	if err != nil {
		return err
	}
	var steps []Step
	if err := json.Unmarshal(text, &steps); err != nil {
		return fmt.Errorf("%s: %w", stepsFile, err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.IdleConnTimeout, transport.DisableCompression = 0, true
	client := &http.Client{Transport: transport}
	for i, s := range steps {
		time.Sleep(s.Pause)
		answer, err := s.take(ctx, client)
		if err != nil {
			return err
		}
		if err := os.WriteFile(fmt.Sprint("answer", i), []byte(answer.Body), 0o644); err != nil {
			return err
		}
		fmt.Println(answer.Status, int64(answer.Over))
		if args[0] == "new" {
			transport.CloseIdleConnections()
		}
	}
	return nil
}

func (s Step) take(ctx context.Context, client *http.Client) (Answer, error) {
	var body []byte
	if s.File != "" {
		var err error
		if body, err = os.ReadFile(s.File); err != nil {
			return Answer{}, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, s.Method, s.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for name, value := range s.Header {
		q.Header.Set(name, value)
	}
	a, err := client.Do(q)
	if err != nil {
		return Answer{}, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return Answer{a.StatusCode, string(text), label.At(time.Now())}, err
}
