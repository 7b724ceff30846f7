package winrpc

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"

	"tyto/lab"
)

// Draw draws n commands with which somebody looks around on the server.
func (s *Server) Draw(n int, rng *rand.Rand) []Command {
	all := s.repertoire()
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return slices.Clone(all[:min(n, len(all))])
}

// repertoire is commands that look and change nothing.
func (s *Server) repertoire() []Command {
	user := `(?i)(nt authority\\system|` + regexp.QuoteMeta(s.Domain+`\`+s.User) + `)`
	name := regexp.QuoteMeta(s.Name)
	all := [][2]string{
		{"whoami", user}, {"whoami /all", user + `[^$]*?Mandatory Level`}, {"hostname", name}, {"ipconfig /all", `Host Name[ .]*: ` + name},
		{"ipconfig", regexp.QuoteMeta(s.Host.Addr().String())}, {"systeminfo", `Host Name: +` + name}, {"tasklist", `svchost\.exe +\d+`}, {"netstat -ano", `ESTABLISHED`},
		{"net user", `User accounts for \\\\` + name}, {"net localgroup administrators", regexp.QuoteMeta(s.Domain) + `\\Domain Admins`}, {"net start", `Event Log`},
		{"net share", `ADMIN\$ +C:\\Windows`}, {`dir C:\Users\Public\` + s.folder, `note\.txt`}, {`type C:\Users\Public\` + s.folder + `\note.txt`, regexp.QuoteMeta(s.note)},
		{"quser", `console`}, {"sc query Spooler", `DISPLAY_NAME: Print Spooler`}, {"sc query", `SERVICE_NAME: EventLog`}, {"arp -a", `Interface: ` + regexp.QuoteMeta(s.Host.Addr().String())},
		{"schtasks /query", `GoogleUpdateTask`}, {"set", `COMPUTERNAME=` + name}, {"ver", `\[Version 10\.0\.\d+`}, {`dir C:\Windows`, `Temp`},
	}
	commands := make([]Command, len(all))
	for i, c := range all {
		commands[i] = Command{Line: c[0], Want: regexp.MustCompile(c[1])}
	}
	return commands
}

// Params are the knobs of scenarios that run commands over SMB.
func Params(others ...lab.Param) []lab.Param {
	return append([]lab.Param{
		{Name: "commands", Doc: "that are run", Values: []string{"1", "2", "4", "6"}},
		{Name: "pause", Doc: "between commands, about", Values: []string{"0s", "300ms", "1s", "4s"}},
		{Name: "dialect", Doc: "the highest of the server", Values: []string{"SMB2_10", "SMB3_02", "SMB3_11"}},
		{Name: "signing", Doc: "of SMB", Values: []string{"offered", "mandatory"}},
		{Name: "encryption", Doc: "of SMB; none with the oldest dialect", Values: []string{"off", "off", "required"}},
	}, others...)
}

// SMB makes the options of a server by the knobs of Params.
func SMB(r *lab.Run) Options {
	o := Options{Dialect: r.Param("dialect"), Sign: r.Param("signing") == "mandatory", Encrypt: r.Param("encryption") == "required"}
	if o.Dialect == "SMB2_10" && o.Encrypt {
		o.Encrypt = false
		r.SetParam("encryption", "off")
	}
	return o
}

// Variants are variants of a scenario, whose names are ways to run commands.
func Variants(names ...string) (all []lab.Variant) {
	for _, n := range names {
		w, ok := ways[n]
		if !ok {
			panic(fmt.Sprintf("there is no way %q", n))
		}
		all = append(all, lab.Variant{Name: n, Needs: append(Needs(), w.needs...)})
	}
	return all
}

// WebParams are the knobs of scenarios that run commands over WinRM.
func WebParams(others ...lab.Param) []lab.Param {
	return append([]lab.Param{
		{Name: "commands", Doc: "that are run, at least", Values: []string{"1", "2", "4", "6"}},
		{Name: "pause", Doc: "between commands, about", Values: []string{"0s", "300ms", "1s", "4s"}},
	}, others...)
}
