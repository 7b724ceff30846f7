package detection_test

import (
	"testing"

	"tyto/behavior"
	"tyto/detection"
)

// What protocols say proves labels, and what they refuse proves none.
func TestLabels(t *testing.T) {
	for _, tt := range []struct {
		what  string
		s     detection.Session
		sheet detection.Sheet
		want  string
	}{
		{"a service is created", detection.Session{App: "smb"}, detection.Sheet{Calls: []detection.Call{{Interface: "svcctl", Operation: "OpenSCManagerW"}, {Interface: "svcctl", Operation: "CreateServiceW"}}}, "remote-execution enumeration"},
		{"a service may not be created", detection.Session{App: "smb"}, detection.Sheet{Calls: []detection.Call{{Interface: "svcctl", Operation: "CreateServiceW", Fault: "ACCESS_DENIED"}}}, ""},
		{"users are listed", detection.Session{App: "dcerpc"}, detection.Sheet{Calls: []detection.Call{{Interface: "samr", Operation: "SamrEnumerateUsersInDomain"}}}, "enumeration"},
		{"a file is written", detection.Session{App: "smb"}, detection.Sheet{Files: []detection.File{{Action: "write", Bytes: 10}}}, "upload"},
		{"a file cannot be written", detection.Session{App: "smb"}, detection.Sheet{Files: []detection.File{{Action: "write", Bytes: 10, Failed: true}}}, ""},
		{"little is read", detection.Session{App: "smb"}, detection.Sheet{Files: []detection.File{{Action: "read", Bytes: 300}}}, ""},
		{"much is read, in pieces", detection.Session{App: "smb"}, detection.Sheet{Files: []detection.File{{Action: "read", Bytes: 40_000}, {Action: "read", Bytes: 40_000}}}, "download"},
		{"one wrong password", detection.Session{App: "ftp"}, detection.Sheet{Logins: []detection.Login{{How: "ftp"}}}, "login-failed"},
		{"a wrong password, then the right one", detection.Session{App: "ftp"}, detection.Sheet{Logins: []detection.Login{{How: "ftp"}, {How: "ftp", OK: true}}}, ""},
		{"six passwords", detection.Session{App: "ssh", State: "SF"}, detection.Sheet{Attempts: 6}, "brute-force login-failed"},
		{"a login", detection.Session{App: "ssh", State: "SF"}, detection.Sheet{Attempts: 1, Authentic: true}, ""},
		{"a banner is read", detection.Session{App: "ssh", State: "SF", Bytes: [2]uint64{1500, 1200}}, detection.Sheet{}, "scan"},
		{"a login that nobody can tell from lengths", detection.Session{App: "ssh", State: "SF", Bytes: [2]uint64{15000, 120_000}}, detection.Sheet{}, ""},
		{"a command over WinRM", detection.Session{App: "winrm"}, detection.Sheet{Requests: []detection.Request{{Method: "POST", URI: "/wsman", Status: 200}}}, "remote-execution"},
		{"WinRM asks for a password", detection.Session{App: "winrm"}, detection.Sheet{Requests: []detection.Request{{Method: "POST", URI: "/wsman", Status: 401}}}, ""},
	} {
		tt.s.Sheet = &tt.sheet
		if got := names(tt.s.AppendLabels(nil)); got != tt.want {
			t.Errorf("%s: labels are %q, want %q", tt.what, got, tt.want)
		}
	}
	if got := new(detection.Session).AppendLabels(nil); got != nil {
		t.Errorf("a session of which protocols say nothing has labels %v", got)
	}
}

func names(list []behavior.Label) (text string) {
	for i, l := range list {
		if i > 0 {
			text += " "
			if l.P > list[i-1].P {
				text += "(likelier) "
			}
		}
		text += l.Name
	}
	return text
}
