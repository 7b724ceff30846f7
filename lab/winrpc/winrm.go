package winrpc

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// WinRM is where a server listens for WinRM; 0 is nowhere.
type WinRM struct {
	HTTP  int `json:"http"`
	HTTPS int `json:"https"`
}

// DefaultWinRM has the ports of Windows.
var DefaultWinRM = WinRM{HTTP: 5985, HTTPS: 5986}

// certify gives the server a certificate that only it signed, as Windows does.
func (s *Server) certify(r *lab.Run) error {
	authority, err := pki.New(r, s.Name)
	if err != nil {
		return err
	}
	cert, err := authority.Issue("rsa", s.Name)
	return errors.Join(err, cert.Write(s.Host, "server"))
}

// runWeb runs commands over WinRM.
func (s *Server) runWeb(ctx context.Context, from *lab.Host, w Work, p plan, base string) (*Session, error) {
	session, began := &Session{run: s.run}, len(s.Endpoint.Output())
	var err error
	if ways[w.Way].transport == "curl" {
		err = s.curl(ctx, from, w, session)
	} else {
		s.run.Software(from.Name(), "python3-winrm", lab.PackageVersion("python3-winrm"))
		var process *lab.Process
		process, err = from.Start(ctx, lab.Command{Args: []string{"/usr/bin/python3", "client/remoteshell.py", base + ".json"}})
		if err == nil {
			session.Processes = []*lab.Process{process}
			if err = process.Wait(ctx); err != nil {
				err = fmt.Errorf("%w\n%s\nthe endpoint says %s", err, process.Output(), tail(s.Endpoint.Output()))
			}
		}
	}
	if err != nil {
		return nil, err
	}
	half := label.Time(s.run.Profile().RTT.Duration() / 2)
	session.spans, err = webSpans(s.Endpoint.Output()[began:], s.Host.Addr(), half, w.Commands)
	return session, errors.Join(err, session.check(w.Commands))
}

// url is where the server listens for a way, and whether that is TLS.
func (s *Server) url(h way) string {
	if h.tls {
		return fmt.Sprintf("https://%s:%d/wsman", s.Host.Addr(), s.WinRM.HTTPS)
	}
	return fmt.Sprintf("http://%s:%d/wsman", s.Host.Addr(), s.WinRM.HTTP)
}

// request is what the endpoint tells of a request: when, from where, to which
// port, when the answer before it was sent, and what.
var request = regexp.MustCompile(`(?m)^! (\d+) request (\d+) (\S+) (\d+) (\d+) (\w+)$`)

// slack is how much later than its first packet a busy machine may tell of a
// request.
const slack = label.Time(30 * time.Millisecond)

// webSpans makes segments of what the endpoint on a host told of requests: what
// a server saw, with half of a round trip on both sides. Requests that follow
// each other and are about the same command are one.
func webSpans(told string, host netip.Addr, half label.Time, commands []Command) (all []span, err error) {
	last := make(map[string]int)
	number, detail := 0, ""
	for _, m := range request.FindAllStringSubmatch(told, -1) {
		var t0, t1, quiet int64
		var port uint16
		if _, err := fmt.Sscan(m[1]+" "+m[2]+" "+m[4]+" "+m[5], &t0, &t1, &port, &quiet); err != nil {
			return nil, err
		}
		flow, err := c2.Flow("tcp", netip.AddrPortFrom(host, port).String(), m[3])
		if err != nil {
			return nil, err
		}
		if m[6] == "Command" && number < len(commands) {
			detail = commands[number].Line
			number++
		}
		now := span{flow, max(label.Time(t0)-half-slack, label.Time(quiet)+half), label.Time(t1) + half, label.StateExchange, detail, "", ""}
		i, known := last[m[3]]
		switch {
		case !known:
			all = append(all, span{flow, 0, now.t0, label.StateHandshake, "", "", ""}, now)
		case all[i].detail == detail && now.t0-all[i].t1 < label.Time(time.Second):
			all[i].t1 = now.t1
			continue
		default:
			now.t0 = max(now.t0, all[i].t1)
			all = append(all, now)
		}
		last[m[3]] = len(all) - 1
	}
	if number != len(commands) {
		return nil, fmt.Errorf("%d of %d commands reached the server", number, len(commands))
	}
	return all, nil
}

// envelope is a message of WS-Management: resource, action, identity of the
// message, selectors and body.
const envelope = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header><a:To>%s</a:To><a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><w:MaxEnvelopeSize s:mustUnderstand="true">153600</w:MaxEnvelopeSize><a:MessageID>uuid:%s</a:MessageID><w:OperationTimeout>PT60S</w:OperationTimeout><w:ResourceURI s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI><a:Action s:mustUnderstand="true">%s</a:Action>%s</s:Header><s:Body>%s</s:Body></s:Envelope>`

const (
	transferAction = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
	shellAction    = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/"
)

// curl runs each command in a shell of its own with a run of curl.
func (s *Server) curl(ctx context.Context, from *lab.Host, w Work, x *Session) error {
	s.run.Installed(from, "curl")
	for i, c := range w.Commands {
		if i > 0 {
			if err := s.run.Sleep(ctx, pause(w.Pause, w.Rand)); err != nil {
				return err
			}
		}
		shell, command := guid(w.Rand), guid(w.Rand)
		selector := `<w:SelectorSet><w:Selector Name="ShellId">` + shell + `</w:Selector></w:SelectorSet>`
		receive := `<rsp:Receive><rsp:DesiredStream CommandId="` + command + `">stdout stderr</rsp:DesiredStream></rsp:Receive>`
		messages := [][3]string{
			{transferAction + "Create", "", `<rsp:Shell ShellId="` + shell + `"><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>`},
			{shellAction + "Command", selector, `<rsp:CommandLine CommandId="` + command + `"><rsp:Command>` + html.EscapeString(c.Line) + `</rsp:Command></rsp:CommandLine>`},
			{shellAction + "Receive", selector, receive}, {shellAction + "Receive", selector, receive},
			{shellAction + "Signal", selector, `<rsp:Signal CommandId="` + command + `"><rsp:Code>` + shellAction + `signal/terminate</rsp:Code></rsp:Signal>`},
			{transferAction + "Delete", selector, ""},
		}
		var config strings.Builder
		for j, m := range messages {
			name := fmt.Sprintf("request-%d-%d.xml", i, j)
			if err := from.Write(name, fmt.Sprintf(envelope, s.url(ways[w.Way]), guid(w.Rand), m[0], m[1], m[2]), 0o600); err != nil {
				return err
			}
			if j > 0 {
				config.WriteString("next\n")
			}
			fmt.Fprintf(&config, "url = %q\nntlm\nuser = \"%s\\\\%s:%s\"\ninsecure\nsilent\nshow-error\nfail-with-body\nmax-time = 90\nheader = \"Content-Type: application/soap+xml;charset=UTF-8\"\ndata-binary = \"@%s\"\n",
				s.url(ways[w.Way]), s.Domain, s.User, s.Password, name)
		}
		if err := from.Write("curl.conf", config.String(), 0o600); err != nil {
			return err
		}
		p, err := from.Start(ctx, lab.Command{Args: []string{"curl", "-K", "curl.conf"}})
		if err != nil {
			return err
		}
		x.Processes = append(x.Processes, p)
		if err := p.Wait(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, p.Output())
		}
		x.output += received(p.Output())
	}
	return nil
}

// received is the output of commands that is in answers.
func received(answers string) string {
	d := xml.NewDecoder(strings.NewReader("<all>" + answers + "</all>"))
	var out strings.Builder
	inside := false
	for {
		t, err := d.Token()
		if err != nil {
			return out.String()
		}
		switch t := t.(type) {
		case xml.StartElement:
			inside = t.Name.Local == "Stream"
		case xml.CharData:
			if data, err := base64.StdEncoding.DecodeString(string(t)); inside && err == nil {
				out.Write(data)
			}
		case xml.EndElement:
			inside = false
		}
	}
}

func guid(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08X-%04X-4%03X-%04X-%012X", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}

// PowerShell is a command line that runs a script.
func PowerShell(script, want string) Command {
	var b []byte
	for _, u := range utf16.Encode([]rune(script)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return Command{Line: "powershell -NoProfile -NonInteractive -EncodedCommand " + base64.StdEncoding.EncodeToString(b), Want: regexp.MustCompile(want)}
}

// DrawScripts draws n scripts of inventory and configuration.
func (s *Server) DrawScripts(n int, rng *rand.Rand) (all []Command) {
	name := regexp.QuoteMeta(s.Name)
	for range n {
		key := word(12, rng)
		file := fmt.Sprintf(`C:\ProgramData\%s.conf`, word(6, rng))
		scripts := []Command{
			PowerShell("Get-Service", `Running +EventLog`), PowerShell("Get-Service -Name Spooler", `Running +Spooler +Print Spooler`), PowerShell("Get-Process", `\d+ +\d +svchost`),
			PowerShell("Get-HotFix", name+` +Security Update`), PowerShell("Get-ComputerInfo", `CsName +: `+name), PowerShell("Get-NetIPAddress", regexp.QuoteMeta(s.Host.Addr().String())),
			PowerShell("Get-Volume", `FriendlyName FileSystemType`), PowerShell(fmt.Sprintf("Get-EventLog -LogName System -Newest %d", 10+rng.IntN(90)), `entered the running state`),
			PowerShell(fmt.Sprintf("Set-Content -Path %s -Value 'key=%s'\nGet-Content -Path %s", file, key, file), `key=`+key),
			PowerShell("Restart-Service -Name W32Time\nGet-Service -Name W32Time", `Running +W32Time`),
			PowerShell(fmt.Sprintf("hostname\nAdd-Content -Path C:\\ProgramData\\inventory.txt -Value '%s'\nGet-Content -Path C:\\ProgramData\\inventory.txt", key), name+`\s[^$]*?`+key),
		}
		all = append(all, scripts[rng.IntN(len(scripts))])
	}
	return all
}
