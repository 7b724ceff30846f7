package anon

import (
	"bytes"
	"net"
	"net/http"
	"testing"
)

func TestDoHRequestIsRead(t *testing.T) {
	question := []byte{0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 16, 0, 1}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		q, err := dohRequest(t.Context(), method, "https://dns.example/dns-query", question)
		if err != nil {
			t.Fatal(err)
		}
		got, err := dohQuestion(q)
		if err != nil || !bytes.Equal(got, question) {
			t.Errorf("%s: %x, want %x: %v", method, got, question, err)
		}
	}
	bad, err := http.NewRequest(http.MethodGet, "https://dns.example/dns-query?dns=a*b", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dohQuestion(bad); err == nil {
		t.Error("a question that is no base64: no error")
	}
}

func TestAskReturnsTheAnswer(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		b := make([]byte, 100)
		if n, from, err := l.ReadFrom(b); err == nil {
			l.WriteTo(bytes.ToUpper(b[:n]), from)
		}
	}()
	if got, err := ask(l.LocalAddr().String(), []byte("question")); err != nil || string(got) != "QUESTION" {
		t.Errorf("%q: %v", got, err)
	}
}
