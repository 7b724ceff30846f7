package remoteexec

import (
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

func smb(sheet *detection.Sheet) *detection.Session {
	s := &detection.Session{UID: session.UID{1, 2}, First: 1e9, Last: 9e9, App: "smb", State: "SF", Sheet: sheet,
		Bytes: [2]uint64{9000, 9000}, Packets: [2]uint64{40, 40}, Home: [2]bool{true, true}}
	s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{10, 0, 0, 2}), RespPort: 445, Proto: 6}
	return s
}

func call(iface, op string, args ...string) detection.Call {
	return detection.Call{At: 2e9, Interface: iface, Operation: op, Args: args}
}

// TestRemoteExecution holds intruders' tools against administrators' work: the
// first alone are an alert by themselves.
func TestRemoteExecution(t *testing.T) {
	psexec := &detection.Sheet{
		Files: []detection.File{{At: 1e9, Share: `\\b\ADMIN$`, Name: "yoxlvqm.exe", Action: "write", Bytes: 90_000}},
		Calls: []detection.Call{call("svcctl", "CreateServiceW", "Tm8b", "Lxi38l", `%SystemRoot%\yoxlvqm.exe`), call("svcctl", "StartServiceW"), call("svcctl", "DeleteService")},
	}
	smbexec := &detection.Sheet{
		Files: []detection.File{{At: 3e9, Share: `\\b\C$`, Name: "__output", Action: "open"}},
		Calls: []detection.Call{call("svcctl", "CreateServiceW", "BTOBTO", "BTOBTO", `%COMSPEC% /Q /c echo cd ^> \\127.0.0.1\C$\__output`), call("svcctl", "StartServiceW"), call("svcctl", "DeleteService")},
	}
	wmiexec := &detection.Sheet{
		Files: []detection.File{{At: 3e9, Share: `\\b\ADMIN$`, Name: "__1795900168.38", Action: "open"}},
		Calls: []detection.Call{call("IWbemServices", "ExecMethod")},
	}
	for _, c := range []struct {
		name    string
		sheet   *detection.Sheet
		least   float64
		most    float64
		outcome detection.Outcome
	}{
		{"psexec with a made-up name", psexec, 8, 30, detection.Attack},
		{"smbexec", smbexec, 7, 30, detection.Attack},
		{"wmiexec", wmiexec, 4, 30, detection.Attack},
		{"a service is started", &detection.Sheet{Calls: []detection.Call{call("svcctl", "StartServiceW")}}, 0.5, 2, detection.Attack},
		{"a service is installed", &detection.Sheet{Calls: []detection.Call{call("svcctl", "CreateServiceW", "BackupAgent", "Backup Agent", `C:\Program Files\Backup\agent.exe`)}}, 2, 4.5, detection.Attack},
		{"refused", &detection.Sheet{Calls: []detection.Call{call("svcctl", "OpenSCManagerW"), {At: 2e9, Interface: "svcctl", Operation: "CreateServiceW", Fault: "access_denied"}}}, 0.5, 2, detection.Attempt},
		{"services are listed", &detection.Sheet{Calls: []detection.Call{call("svcctl", "OpenSCManagerW"), call("svcctl", "EnumServicesStatusW")}}, 0, 0, detection.Attack},
		{"a document is saved", &detection.Sheet{Shares: []detection.Share{{Path: `\\b\home`}}, Files: []detection.File{{Share: `\\b\home`, Name: "report.docx", Action: "write"}}}, 0, 0, detection.Attack},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l detection.Ledger
			New().Session(smb(c.sheet), &l)
			score, outcome := 0.0, detection.Attack
			for _, f := range l.All() {
				score, outcome = score+f.Score(), f.Outcome
			}
			if score < c.least || score > c.most || outcome != c.outcome {
				t.Errorf("got %.1f (%v), want %.1f to %.1f (%v)", score, outcome, c.least, c.most, c.outcome)
			}
		})
	}
}

func TestMadeUp(t *testing.T) {
	for name, want := range map[string]bool{
		"yoxlvqm": true, "ypw2hek1": true, "mQAIXFoD": true, "Tm8b": true, "kdXpqRzt": true,
		"BackupAgent": false, "PSEXESVC": false, "Spooler": false, "gupdate": false, "TrustedInstaller": false, "wuauserv": false, "W32Time": false, "BITS": false,
		"": false, "Windows Update": false,
	} {
		if got := MadeUp(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
