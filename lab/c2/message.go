package c2

import (
	"bytes"
	"encoding/json"
	"errors"
)

// message is what agent and controller say to each other: a line of JSON and
// the data. The agent's are "checkin", "result" (part of what a task produced),
// "get" (part of a file, please) and "relay" (another agent's message); the
// controller's "none", "task" and "data".
type message struct {
	Kind    string `json:"k"`
	Agent   string `json:"a,omitempty"`
	Task    *Task  `json:"t,omitempty"`
	ID      int    `json:"i,omitempty"` // of the task
	Offset  int    `json:"o,omitempty"`
	Last    bool   `json:"l,omitempty"` // of the parts
	Pending bool   `json:"p,omitempty"` // there are more tasks
	Data    []byte `json:"-"`
}

func (m message) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // it has no values that JSON cannot hold
	}
	return append(append(b, '\n'), m.Data...)
}

func decode(b []byte) (m message, err error) {
	line, data, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return m, errors.New("a message without end of line")
	}
	err = json.Unmarshal(line, &m)
	m.Data = data
	return m, err
}

// Event is what an agent tells of one exchange on the wire: when, in which
// flow, and what for. A program of the lab writes one as a line of JSON.
type Event struct {
	T0, T1        int64 // nanoseconds since the epoch
	Proto         string
	Local, Remote string // address and port
	State         string // name of a label.State
	Detail        string
}

// Result is what a controller tells of a task that was done.
type Result struct {
	Agent  string
	ID     int
	Kind   string
	Arg    string
	Bytes  int
	Output string // of a command
}
