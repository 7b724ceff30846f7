package webapp

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// chatMessage is what members of a room send each other.
type chatMessage struct {
	From   string `json:"from"`
	Text   string `json:"text,omitempty"`
	Typing bool   `json:"typing,omitempty"`
	At     int64  `json:"at,omitempty"` // milliseconds since the epoch, by the server
}

// ServeChat is a program of a scenario that hands each WebSocket message to all
// others in its one room. After the arguments of Serve comes the time between
// pings.
func ServeChat(ctx context.Context, args []string) error {
	every, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	var mu sync.Mutex
	room := make(map[*Socket]bool)
	return Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s, err := Upgrade(w, q)
		if err != nil {
			return
		}
		defer s.Close()
		pings := time.NewTicker(every)
		defer pings.Stop()
		go func() {
			for range pings.C {
				s.Ping()
			}
		}()
		mu.Lock()
		room[s] = true
		fmt.Printf("! %d joined %s\n", time.Now().UnixNano(), q.RemoteAddr)
		mu.Unlock()
		for _, data, err := s.Read(); err == nil; _, data, err = s.Read() {
			var m chatMessage
			if json.Unmarshal(data, &m) != nil {
				break
			}
			m.At = time.Now().UnixMilli()
			data, _ = json.Marshal(m) // it came from JSON
			mu.Lock()
			for other := range room {
				if other != s {
					other.Write(Text, data)
				}
			}
			mu.Unlock()
		}
		mu.Lock()
		delete(room, s)
		mu.Unlock()
	}))
}

// Chat is a program of a scenario that chats on its terminal: its arguments are
// the URL, the name, and "yes" if others are told that somebody types. Enter
// sends a line, Ctrl-D leaves.
func Chat(_ context.Context, args []string) error {
	restore, _, _, err := Raw()
	if err != nil {
		return err
	}
	defer restore()
	s, err := DialSocket(args[0])
	if err != nil {
		return err
	}
	fmt.Print("welcome\r\n")
	send := func(m chatMessage) {
		m.From = args[1]
		data, _ := json.Marshal(m) // strings
		s.Write(Text, data)
	}
	go func() {
		line := Line{Changed: func(string) {}}
		if args[2] == "yes" {
			var last time.Time
			line.Changed = func(string) {
				if time.Since(last) > 3*time.Second {
					last = time.Now()
					send(chatMessage{Typing: true})
				}
			}
		}
		line.Edit(os.Stdin, func(text string) { send(chatMessage{Text: text}) })
		s.Leave()
	}()
	for {
		_, data, err := s.Read()
		if err == io.EOF {
			return nil
		}
		var m chatMessage
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			return err
		}
		if m.Text != "" {
			fmt.Printf("\r\n<%s> %s\r\n", m.From, m.Text)
		}
	}
}

// ChatPython is Chat for Python's websockets and aiohttp.
//
//go:embed chat.py
var ChatPython string

// Line is the text that keys of a raw terminal make.
type Line struct {
	Changed func(text string) // called after each key
	Keep    bool              // Enter is part of the text
}

// Edit reads keys, echoes them, and calls entered with each line, until Ctrl-D.
// With Keep it calls entered once, at the end.
func (l Line) Edit(keys io.Reader, entered func(text string)) {
	var text []rune
	buf := make([]byte, 4<<10)
	for n, err := keys.Read(buf); err == nil; n, err = keys.Read(buf) {
		for _, key := range string(buf[:n]) {
			switch {
			case key == 4:
				if l.Keep {
					entered(string(text))
				}
				return
			case key == 0x7f:
				text = text[:max(len(text)-1, 0)]
				fmt.Print("\b \b")
			case key == '\r' && !l.Keep:
				entered(string(text))
				text = nil
				fmt.Print("\r\n")
				continue
			case key == '\r':
				text = append(text, '\n')
				fmt.Print("\r\n")
			default:
				text = append(text, key)
				fmt.Print(string(key))
			}
			l.Changed(string(text))
		}
	}
}
