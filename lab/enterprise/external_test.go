package enterprise

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tyto/detection"
)

const auth = `1,ANONYMOUS LOGON@C586,ANONYMOUS LOGON@C586,C1250,C586,NTLM,Network,LogOn,Success
2,C101$@DOM1,C101$@DOM1,C988,C988,?,Network,LogOff,Success
150885,U620@DOM1,U620@DOM1,C17693,C1003,NTLM,Network,LogOn,Success
150890,U1@DOM1,U1@DOM1,C17693,C457,Kerberos,?,TGS,Success
150895,U1@DOM1,U2@DOM1,C1250,C1003,Negotiate,RemoteInteractive,LogOn,Fail
`

const redteam = `150885,U620@DOM1,C17693,C1003
`

// TestLANL wants logins between computers, those of the red team marked.
func TestLANL(t *testing.T) {
	var got []string
	l := new(Loader)
	err := l.LANL(strings.NewReader(auth), strings.NewReader(redteam), func(s *detection.Session, tag Tag) {
		got = append(got, fmt.Sprintf("%d %v>%v %s %s %v %d", s.First/second, s.Orig, s.Resp, s.App, s.Sheet.Logins[0].Account, s.Sheet.Logins[0].OK, tag.Campaign))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 10.0.0.1>10.0.0.2 smb ANONYMOUS LOGON@C586 true 0",
		"150885 10.0.0.3>10.0.0.4 smb U620@DOM1 true 1",
		"150890 10.0.0.3>10.0.0.5 kerberos U1@DOM1 true 0",
		"150895 10.0.0.1>10.0.0.4 rdp U2@DOM1 false 0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || l.Skipped != 1 {
		t.Errorf("skipped %d, got\n%s\nwant\n%s", l.Skipped, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, text := range []string{"1,2,3\n", "x,a,b,C1,C2,NTLM,Network,LogOn,Success\n", "-4,a,b,C1,C2,NTLM,Network,LogOn,Success\n"} {
		if err := new(Loader).LANL(strings.NewReader(text), nil, func(*detection.Session, Tag) {}); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: got %v, want an error that tells the line", text, err)
		}
	}
}

const flows = `{"action":"START","actorID":"1a","hostname":"SysClient0201.systemia.com","object":"FLOW","properties":{"dest_ip":"142.20.61.130","dest_port":"445","direction":"outbound","l4protocol":"6","size":"912","src_ip":"142.20.56.202","src_port":"59215"},"timestamp":"2019-09-23T11:23:49.123-04:00"}
{"action":"START","hostname":"SysClient0402.systemia.com","object":"FLOW","properties":{"dest_ip":"142.20.61.130","dest_port":"445","direction":"inbound","l4protocol":"6","src_ip":"142.20.56.202","src_port":"59215"},"timestamp":"2019-09-23T11:23:49.200-04:00"}
{"action":"CREATE","hostname":"SysClient0201.systemia.com","object":"PROCESS","properties":{},"timestamp":"2019-09-23T11:23:50-04:00"}
{"action":"START","hostname":"SysClient0005.systemia.com","object":"FLOW","properties":{"dest_ip":"132.197.158.98","dest_port":"80","direction":"outbound","l4protocol":"6","src_ip":"142.20.56.6","src_port":"50000"},"timestamp":"2019-09-23T11:24:00-04:00"}
`

// TestOpTC wants flows that hosts began, once each.
func TestOpTC(t *testing.T) {
	var got []string
	l := new(Loader)
	home := netip.MustParsePrefix("142.20.0.0/16")
	hostile := func(host string, at time.Time) bool {
		return strings.HasPrefix(host, "SysClient0201") && at.Minute() == 23
	}
	err := l.OpTC(strings.NewReader(flows), home.Contains, hostile, func(s *detection.Session, tag Tag) {
		got = append(got, fmt.Sprintf("%v>%v:%d %s %v %d %d", s.Orig, s.Resp, s.RespPort, s.App, s.Inside(), s.Bytes[0], tag.Campaign))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"142.20.56.202>142.20.61.130:445 smb true 912 1", "142.20.56.6>132.197.158.98:80 http false 1000 0"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || l.Skipped != 2 {
		t.Errorf("skipped %d, got\n%s\nwant\n%s", l.Skipped, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := new(Loader).OpTC(strings.NewReader("{\n"), home.Contains, nil, func(*detection.Session, Tag) {}); err == nil {
		t.Error("half an object: no error")
	}
}

func FuzzLANL(f *testing.F) {
	f.Add(auth, redteam)
	f.Add("1,,,a,b,,,LogOn,", "")
	f.Fuzz(func(t *testing.T, a, r string) {
		_ = new(Loader).LANL(strings.NewReader(a), strings.NewReader(r), func(s *detection.Session, _ Tag) {
			if s.Orig == s.Resp || s.First < 0 {
				t.Errorf("%+v", s)
			}
		})
	})
}

func FuzzOpTC(f *testing.F) {
	f.Add(flows)
	f.Add(`{"action":"START","object":"FLOW","timestamp":"9999-01-01T00:00:00Z","properties":{"direction":"outbound","src_ip":"::1","dest_ip":"::2"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		_ = new(Loader).OpTC(strings.NewReader(text), func(netip.Addr) bool { return true }, nil, func(s *detection.Session, _ Tag) {
			if s.Orig == s.Resp {
				t.Errorf("%+v", s)
			}
		})
	})
}

// FuzzContent wants damaged content to be an error and no more.
func FuzzContent(f *testing.F) {
	var b bytes.Buffer
	if err := (&Content{Exemplars: map[string][]Exemplar{"ssh-shell": {{App: "ssh", Duration: 5}}}, Delays: []int64{1}}).Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadContent(bytes.NewReader(data))
		if err == nil {
			_ = c.Write(io.Discard)
		}
	})
}
