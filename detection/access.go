package detection

import (
	"strings"

	"tyto/packet"
	"tyto/session"
)

// Access is a session by which one device administers another, or a person works
// there: what a path may go over.
type Access struct {
	From, To    packet.Addr
	UID         session.UID
	First, Last int64
	Via         string // ssh, rdp, winrm, wmi, task, service, dcom, registry, share, vnc, telnet
	Technique   string
	Exec        bool // something was run there
	Interactive bool // somebody sits there
	Weak        bool // told by the port alone
	Account     string
}

// shells are protocols by which people work on another machine.
var shells = map[string]string{"ssh": "T1021.004", "rdp": "T1021.001", "rfb": "T1021.005", "telnet": "T1021.004", "x11": "T1021", "teamviewer": "T1219"}

// Access classifies a session; false if it is no access.
func (s *Session) Access() (Access, bool) {
	a := Access{From: s.Orig, To: s.Resp, UID: s.UID, First: s.First, Last: s.Last}
	if s.Refused() || s.Bytes[session.Orig] == 0 || s.Bytes[session.Resp] == 0 {
		return a, false
	}
	if s.Sheet != nil {
		for _, l := range s.Sheet.Logins {
			if l.OK && l.Account != "" && l.Account != l.How {
				a.Account = l.Account
			}
		}
	}
	if via, technique, exec := s.remote(); via != "" {
		a.Via, a.Technique, a.Exec = via, technique, exec
		return a, true
	}
	if technique := shells[s.App]; technique != "" {
		a.Via, a.Technique, a.Interactive = s.App, technique, s.typed()
		if s.App == "ssh" && !s.loggedIn() {
			return a, false
		}
		return a, s.App == "ssh" || s.Duration() > 2e9
	}
	if s.App == "tls" && s.RespPort == 5986 && s.Inside() {
		a.Via, a.Technique, a.Exec, a.Weak = "winrm", "T1021.006", true, true
		return a, true
	}
	return a, false
}

// loggedIn reports whether an SSH login was accepted: told by packet lengths, or
// else by how much was said after what a refused one takes.
func (s *Session) loggedIn() bool {
	if s.Sheet != nil && s.Sheet.Authentic {
		return true
	}
	return s.Sheet == nil && s.Bytes[session.Resp] > 6000 || s.Lead != nil && s.Lead.Keys[0]+s.Lead.Keys[1] >= 8
}

// typed reports whether a person types.
func (s *Session) typed() bool {
	return s.Lead != nil && s.Lead.Keys[0]+s.Lead.Keys[1] >= 6
}

// remote tells what remote procedures, files and requests say of an access.
func (s *Session) remote() (via, technique string, exec bool) {
	if s.Sheet == nil {
		return "", "", false
	}
	best := 0
	for i := range s.Sheet.Calls {
		c := &s.Sheet.Calls[i]
		if r, ok := Administrative(c.Interface, c.Operation); ok && c.Fault == "" && r.rank > best {
			best, via, technique, exec = r.rank, r.Via, r.Technique, r.Exec
		}
	}
	if best > 0 {
		return via, technique, exec
	}
	posts := 0
	for i := range s.Sheet.Requests {
		if r := &s.Sheet.Requests[i]; IsWinRM(r) && r.Status == 200 {
			posts++
		}
	}
	if posts > 0 || s.App == "winrm" && s.Bytes[session.Resp] > 2000 {
		return "winrm", "T1021.006", true
	}
	for i := range s.Sheet.Shares {
		if v := &s.Sheet.Shares[i]; AdminShare(v.Path) && !v.Failed {
			return "share", "T1021.002", false
		}
	}
	return "", "", false
}

// IsWinRM reports whether a request is one of Windows Remote Management.
func IsWinRM(r *Request) bool {
	return r.Method == "POST" && strings.HasPrefix(strings.ToLower(r.URI), "/wsman")
}

// AdminShare reports whether a path is that of a share for administrators:
// ADMIN$, or a drive's.
func AdminShare(path string) bool {
	name := strings.ToUpper(path[strings.LastIndexByte(path, '\\')+1:])
	return name == "ADMIN$" || len(name) == 2 && name[1] == '$' && name[0] >= 'A' && name[0] <= 'Z'
}

// Procedure says what a remote procedure is for.
type Procedure struct {
	Via, Technique string
	Exec           bool // runs something
	rank           int
}

// procedures that run something or change what runs, by interface and operation
// (MITRE BZAR's list and what SCIENCE.md D.2 adds).
var procedures = map[string]map[string]Procedure{
	"svcctl": {
		"CreateServiceW": {"service", "T1569.002", true, 9}, "CreateServiceA": {"service", "T1569.002", true, 9},
		"CreateServiceWOW64W": {"service", "T1569.002", true, 9}, "CreateServiceWOW64A": {"service", "T1569.002", true, 9},
		"StartServiceW": {"service", "T1569.002", true, 8}, "StartServiceA": {"service", "T1569.002", true, 8},
		"ChangeServiceConfigW": {"service", "T1543.003", true, 8}, "ChangeServiceConfigA": {"service", "T1543.003", true, 8},
		"": {"service", "T1021.002", false, 3},
	},
	"atsvc": {"JobAdd": {"task", "T1053.002", true, 9}, "NetrJobAdd": {"task", "T1053.002", true, 9}},
	"ITaskSchedulerService": {
		"SchRpcRegisterTask": {"task", "T1053.005", true, 9}, "SchRpcRun": {"task", "T1053.005", true, 8}, "SchRpcEnableTask": {"task", "T1053.005", true, 7},
		"": {"task", "T1053.005", false, 3},
	},
	"IWbemServices": {
		"ExecMethod": {"wmi", "T1047", true, 9}, "ExecMethodAsync": {"wmi", "T1047", true, 9}, "PutInstance": {"wmi", "T1546.003", true, 7},
		"": {"wmi", "T1047", false, 4},
	},
	"IWbemLevel1Login":    {"": {"wmi", "T1047", false, 4}},
	"IDispatch":           {"Invoke": {"dcom", "T1021.003", true, 8}, "": {"dcom", "T1021.003", false, 3}},
	"IRemoteSCMActivator": {"": {"dcom", "T1021.003", false, 2}},
	"ISystemActivator":    {"": {"dcom", "T1021.003", false, 2}},
	"winreg":              {"BaseRegSaveKey": {"registry", "T1003.002", true, 7}, "BaseRegSetValue": {"registry", "T1112", true, 6}, "": {"registry", "T1112", false, 3}},
}

// Administrative returns what a remote procedure is for, if it is one that
// administrators use.
func Administrative(iface, operation string) (Procedure, bool) {
	list := procedures[iface]
	p, ok := list[operation]
	if !ok {
		p, ok = list[""]
	}
	return p, ok
}
