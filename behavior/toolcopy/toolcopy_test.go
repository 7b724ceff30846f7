package toolcopy

import (
	"testing"

	"tyto/packet"
)

var from, to = packet.Addr4([]byte{10, 0, 0, 9}), packet.Addr4([]byte{10, 0, 0, 1})

// TestRan wants a run to be that of the file it names, and files that nobody runs
// to be nothing.
func TestRan(t *testing.T) {
	const second = int64(1e9)
	for _, c := range []struct {
		name  string
		write string
		run   Run
		ok    bool
		named bool
	}{
		{"service of the file", `Temp\ypw2.exe`, Run{At: 9 * second, From: from, To: to, Command: `C:\Windows\Temp\YPW2.exe -o log`}, true, true},
		{"another command", `report.docx`, Run{At: 9 * second, From: from, To: to, Command: `net share`}, false, false},
		{"command not told, a program", `a.exe`, Run{At: 9 * second, From: from, To: to}, true, false},
		{"command not told, a document", `a.docx`, Run{At: 9 * second, From: from, To: to}, false, false},
		{"another source", `a.exe`, Run{At: 9 * second, From: to, To: from, Command: "a.exe"}, false, false},
		{"long after", `a.exe`, Run{At: 2 * Within, From: from, To: to, Command: "a.exe"}, false, false},
		{"before", `a.exe`, Run{At: 1, From: from, To: to, Command: "a.exe"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var table Table
			table.Wrote(Write{At: second, From: from, To: to, Share: `ADMIN$`, Name: c.write})
			got, ok := table.Ran(c.run)
			if ok != c.ok || got.Named != c.named {
				t.Errorf("got %v (named %v), want %v (%v)", ok, got.Named, c.ok, c.named)
			}
		})
	}
}
