package auto

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"tyto/lab/webapp"
)

const ntpSize = 48 // bytes of a message without extensions (RFC 5905, 7.3)

// ntpTime is a time in seconds since 1900 and their fraction.
func ntpTime(t time.Time) uint64 {
	return uint64(t.Unix()+2208988800)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// SNTP is a program of a scenario that asks a server for the time (RFC 4330): its
// arguments are the server's address, "fresh" or "same" for the port of each
// question, and the pauses before them in seconds. It tells an event "asked"
// with its own port and when the answer came, in nanoseconds since the epoch.
func SNTP(ctx context.Context, args []string) error {
	var conn net.Conn
	for _, text := range args[2:] {
		pause, err := time.ParseDuration(text + "s")
		if err != nil {
			return err
		}
		time.Sleep(pause)
		if conn == nil || args[1] == "fresh" {
			if conn != nil {
				conn.Close()
			}
			if conn, err = net.Dial("udp4", args[0]); err != nil {
				return err
			}
		}
		began, err := ask(conn)
		if err != nil {
			return err
		}
		fmt.Printf("! %d asked %d %d\n", began.UnixNano(), conn.LocalAddr().(*net.UDPAddr).Port, time.Now().UnixNano())
	}
	return conn.Close()
}

// ask asks until there is an answer, and tells when it did first.
func ask(conn net.Conn) (time.Time, error) {
	q, a := make([]byte, ntpSize), make([]byte, 512)
	q[0] = 4<<3 | 3 // version, client
	rand.Read(q[40:])
	began := time.Now()
	for range 5 {
		if _, err := conn.Write(q); err != nil {
			return began, err
		}
		conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		n, err := conn.Read(a)
		if err != nil {
			continue // lost: again
		}
		if n < ntpSize || a[0]&7 != 4 || string(a[24:32]) != string(q[40:]) {
			return began, fmt.Errorf("no answer of a time server: % x", a[:n])
		}
		return began, nil
	}
	return began, fmt.Errorf("%s does not answer", conn.RemoteAddr())
}

// ServeTime is a program of a scenario that is a time server at the addresses of
// its arguments: an answer must come from that which was asked.
func ServeTime(ctx context.Context, addrs []string) error {
	for _, a := range addrs {
		conn, err := net.ListenPacket("udp4", a+":123")
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		go serveTime(conn)
	}
	<-ctx.Done()
	return nil
}

func serveTime(conn net.PacketConn) {
	buf := make([]byte, 512)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return // the end
		}
		if n < ntpSize {
			continue
		}
		now := ntpTime(time.Now())
		a := make([]byte, ntpSize)
		a[0], a[1], a[2], a[3] = buf[0]&0x38|4, 2, buf[2], 0xe8 // version, server; stratum; poll; precision
		copy(a[12:], "GPS\x00")
		binary.BigEndian.PutUint64(a[16:], now)
		copy(a[24:], buf[40:48])
		binary.BigEndian.PutUint64(a[32:], now)
		binary.BigEndian.PutUint64(a[40:], now)
		conn.WriteTo(a, peer)
	}
}

// Asked reads an event of SNTP.
func Asked(e webapp.Event) (port uint16, over int64, err error) {
	_, err = fmt.Sscan(e.Text, &port, &over)
	return port, over, err
}
