package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// SIP is what the program SIPProgram is told: one end of the signalling of a
// call over UDP (RFC 3261).
type SIP struct {
	Host   string // this end's address
	Port   int    // this end's
	Peer   string // address and port that is called; empty at the end that is called
	Names  [2]string
	Agent  string
	RTP    int    // port for the voices
	Format string // the codec in SDP's words, "0 PCMU/8000"
	Rings  time.Duration
	Length time.Duration
	Tag    string
}

const retransmit = 500 * time.Millisecond // RFC 3261's T1

// SIPProgram is a program of a scenario: it calls, or is called. Its argument
// is a SIP as JSON. It writes "answered" and "over".
func SIPProgram(ctx context.Context, args []string) error {
	var s SIP
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &s) != nil {
		return errors.New("want a call as JSON")
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: s.Port})
	if err != nil {
		return err
	}
	defer conn.Close()
	context.AfterFunc(ctx, func() { conn.Close() })
	e := &sipEnd{SIP: s, conn: conn}
	if s.Peer == "" {
		return e.answer()
	}
	if e.peer, err = net.ResolveUDPAddr("udp4", s.Peer); err != nil {
		return err
	}
	return e.call()
}

type sipEnd struct {
	SIP
	conn *net.UDPConn
	peer *net.UDPAddr
}

// request is one of the caller's.
func (e *sipEnd) request(method string, sequence int, to, body string) string {
	text := fmt.Sprintf("%s sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%d%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>%s\r\nCall-ID: %s@%s\r\nCSeq: %d %s\r\nContact: <sip:%s@%s:%d>\r\nUser-Agent: %s\r\n",
		method, e.Names[1], e.peer.IP, e.Host, e.Port, e.Tag, sequence, method, e.Names[0], e.Host, e.Tag, e.Names[1], e.peer.IP, to, e.Tag, e.Host, sequence, method, e.Names[0], e.Host, e.Port, e.Agent)
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	return text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// sdp offers or accepts the codec.
func (e *sipEnd) sdp() string {
	number, name, _ := strings.Cut(e.Format, " ")
	return fmt.Sprintf("v=0\r\no=- 20 20 IN IP4 %s\r\ns=call\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %d RTP/AVP %s 101\r\na=rtpmap:%[3]s %[4]s\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n", e.Host, e.RTP, number, name)
}

// until sends text, and again until a message comes that want accepts.
func (e *sipEnd) until(text string, most time.Duration, want func(string) bool) (string, error) {
	buf := make([]byte, 4096)
	deadline := time.Now().Add(most)
	for wait := retransmit; time.Now().Before(deadline); wait *= 2 {
		if text != "" {
			if _, err := e.conn.WriteToUDP([]byte(text), e.peer); err != nil {
				return "", err
			}
		}
		next := time.Now().Add(wait)
		for time.Now().Before(next) {
			e.conn.SetReadDeadline(next)
			n, from, err := e.conn.ReadFromUDP(buf)
			if err != nil {
				if errors.Is(err, net.ErrClosed) {
					return "", err
				}
				break
			}
			if e.peer == nil {
				e.peer = from
			}
			if want(string(buf[:n])) {
				return string(buf[:n]), nil
			}
		}
	}
	return "", errors.New("no answer")
}

func answers(code, method string) func(string) bool {
	return func(m string) bool {
		return strings.HasPrefix(m, "SIP/2.0 "+code) && strings.Contains(m, " "+method+"\r\n")
	}
}

// call calls, talks and hangs up.
func (e *sipEnd) call() error {
	invite := e.request("INVITE", 1, "", e.sdp())
	if _, err := e.until(invite, 20*time.Second, answers("1", "INVITE")); err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	ok, err := e.until("", 60*time.Second, answers("200", "INVITE"))
	if err != nil {
		return fmt.Errorf("ringing: %w", err)
	}
	_, to, _ := strings.Cut(header(ok, "To"), ">")
	ack := e.request("ACK", 1, to, "")
	e.conn.WriteToUDP([]byte(ack), e.peer)
	fmt.Println("answered")
	talked := time.Now().Add(e.Length)
	for time.Now().Before(talked) {
		// An answer that comes again was not acknowledged.
		if _, err := e.until("", min(retransmit, time.Until(talked)), answers("200", "INVITE")); err == nil {
			e.conn.WriteToUDP([]byte(ack), e.peer)
		}
	}
	if _, err := e.until(e.request("BYE", 2, to, ""), 20*time.Second, answers("200", "BYE")); err != nil {
		return fmt.Errorf("bye: %w", err)
	}
	fmt.Println("over")
	return nil
}

// answer waits for a call, rings, answers and waits for its end.
func (e *sipEnd) answer() error {
	is := func(method string) func(string) bool {
		return func(m string) bool { return strings.HasPrefix(m, method+" ") }
	}
	invite, err := e.until("", 90*time.Second, is("INVITE"))
	if err != nil {
		return err
	}
	e.conn.WriteToUDP([]byte(e.response(invite, "100 Trying", "")), e.peer)
	time.Sleep(30 * time.Millisecond)
	ringing := e.response(invite, "180 Ringing", "")
	e.conn.WriteToUDP([]byte(ringing), e.peer)
	for end := time.Now().Add(e.Rings); time.Now().Before(end); {
		if _, err := e.until("", time.Until(end), is("INVITE")); err == nil {
			e.conn.WriteToUDP([]byte(ringing), e.peer)
		}
	}
	if _, err := e.until(e.response(invite, "200 OK", e.sdp()), 30*time.Second, is("ACK")); err != nil {
		return fmt.Errorf("200: %w", err)
	}
	fmt.Println("answered")
	bye, err := e.until("", e.Length+60*time.Second, is("BYE"))
	if err != nil {
		return err
	}
	fmt.Println("over")
	// It may have to be said again.
	for range 8 {
		e.conn.WriteToUDP([]byte(e.response(bye, "200 OK", "")), e.peer)
		if _, err := e.until("", 2*time.Second, is("BYE")); err != nil {
			break
		}
	}
	return nil
}

// response answers a request.
func (e *sipEnd) response(request, status, body string) string {
	text := "SIP/2.0 " + status + "\r\n"
	for _, h := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		text += h + ": " + header(request, h)
		if h == "To" && !strings.Contains(header(request, h), "tag=") && !strings.HasPrefix(status, "100") {
			text += ";tag=" + e.Tag
		}
		text += "\r\n"
	}
	text += fmt.Sprintf("Contact: <sip:%s@%s:%d>\r\nServer: %s\r\n", e.Names[1], e.Host, e.Port, e.Agent)
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	return text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// header is the value of a message's header.
func header(message, name string) string {
	for line := range strings.SplitSeq(message, "\r\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}
