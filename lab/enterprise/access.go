package enterprise

import (
	"tyto/detection"
	"tyto/session"
)

// way is how one machine administers another.
type way struct {
	via     string // ssh, shell (typed), rdp, service, task, wmi, winrm
	account string
	name    string // of the service or task
	command string
	tool    string // program that is copied there first
	agent   string // of WinRM's client
}

// hidden is the share of sessions over SMB and DCE/RPC that are encrypted, so that
// their calls cannot be read.
const hidden = 0.1

// execute administers a machine and returns the session.
func (s *simulation) execute(from, to *host, at int64, w way, tag Tag) *draft {
	login := []detection.Login{{At: at, How: "ntlm", Account: w.account, OK: true}}
	if s.chance(0.4) {
		login = nil // a ticket, which does not say whose
	}
	rpc := func(kind, iface, operation string, args []string) *draft {
		sheet := &detection.Sheet{Logins: login}
		if !s.chance(hidden) {
			if w.tool != "" {
				sheet.Files = []detection.File{{At: at, Share: `\\` + to.name + `\ADMIN$`, Name: w.tool, Action: "write", Bytes: uint64(s.between(40_000, 2_000_000)), Created: true}}
			}
			sheet.Calls = []detection.Call{{At: at + second, Interface: iface, Operation: operation, Args: args, Count: 1}}
			if operation == "CreateServiceW" {
				sheet.Calls = append(sheet.Calls, detection.Call{At: at + 2*second, Interface: iface, Operation: "StartServiceW", Count: 1})
			}
		}
		t := talk{from: from, to: to, at: at, kinds: []string{kind}, app: "smb", port: 445, sheet: sheet, tag: tag}
		if kind == "wmi-exec" {
			t.app, t.port = "dcerpc", 49160
		}
		return s.say(t)
	}
	switch w.via {
	case "service":
		return rpc("smb-service-exec", "svcctl", "CreateServiceW", []string{w.name, w.command})
	case "task":
		return rpc("smb-task-exec", "ITaskSchedulerService", "SchRpcRegisterTask", []string{`\` + w.name, w.command})
	case "wmi":
		return rpc("wmi-exec", "IWbemServices", "ExecMethod", []string{"Win32_Process", w.command})
	case "winrm":
		if s.chance(0.3) {
			return s.say(talk{from: from, to: to, at: at, kinds: []string{"winrm-exec", "winrm-admin"}, app: "tls", port: 5986, tag: tag})
		}
		agent := w.agent
		if agent == "" {
			agent = "Microsoft WinRM Client"
		}
		return s.say(talk{from: from, to: to, at: at, kinds: []string{"winrm-exec", "winrm-admin"}, app: "winrm", port: 5985, tag: tag,
			sheet: &detection.Sheet{Logins: login, Requests: []detection.Request{{At: at, Method: "POST", Host: to.name, URI: "/wsman?PSVersion=5.1", Agent: agent, Status: 200}}}})
	case "rdp":
		return s.say(talk{from: from, to: to, at: at, kinds: []string{"rdp-session"}, port: 3389, stretch: 2, tag: tag, sheet: &detection.Sheet{Logins: login}})
	case "ssh":
		return s.say(talk{from: from, to: to, at: at, kinds: []string{"ssh-exec", "scp-upload"}, port: 22, tag: tag, sheet: &detection.Sheet{Authentic: true}})
	}
	return s.say(talk{from: from, to: to, at: at, kinds: []string{"ssh-shell", "ssh-keys", "ssh-hops", "ssh-agent-forward"}, port: 22, stretch: 1 + 3*s.rand.Float64(), tag: tag, sheet: &detection.Sheet{Authentic: true}})
}

// manage is a way in which an administrator works on a machine.
func (s *simulation) manage(a *admin, to *host) way {
	w := way{account: a.account, name: pick(s, []string{"SpoolFix", "AgentUpdate", "LogCollector", "Inventory"}), command: `C:\Program Files\Admin\run.cmd`}
	if to.linux {
		w.via = pick(s, []string{"shell", "shell", "ssh"})
		return w
	}
	w.via = pick(s, []string{"rdp", "rdp", "winrm", "winrm", "service", "wmi", "task"})
	return w
}

// shift is an administrator's work: by way of the jump host, or from his own
// machine, on several servers one after the other, now and then from one to the
// next.
func (s *simulation) shift(a *admin, at int64, tag Tag, steps int) {
	from := a.station
	var lead *draft
	if s.chance(0.6) || tag.Twin > 0 {
		via := "rdp"
		if a.linux {
			via = "shell"
		}
		lead = s.execute(a.station, a.jump, at, way{via: via, account: a.account}, tag)
		from = a.jump
		at += 10 * second
	}
	for range steps {
		to := pick(s, a.usual)
		if s.chance(0.1) {
			to = s.hosts[s.rand.IntN(len(s.hosts))]
			if to.role == Workstation || to.role >= Printer {
				to = pick(s, a.usual)
			}
		}
		if to == from {
			continue
		}
		if lead != nil {
			at = s.led(lead, session.Orig, at)
		}
		d := s.execute(from, to, at, s.manage(a, to), tag)
		if s.chance(0.2) || tag.Twin > 0 && s.chance(0.5) {
			if next := pick(s, a.usual); next != to && next != from {
				s.execute(to, next, s.led(d, session.Orig, d.First+2*second), s.manage(a, next), tag)
			}
		}
		at += s.between(20*second, 10*minute)
	}
}

// help is an administrator's help for a user: on the user's own machine.
func (s *simulation) help(a *admin, at int64) {
	to := pick(s, s.byRole[Workstation])
	if to.linux {
		return
	}
	w := s.manage(a, to)
	if w.via == "rdp" && s.chance(0.5) {
		w.via = "winrm"
	}
	s.execute(a.station, to, at, w, Tag{})
}
