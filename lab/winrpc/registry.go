package winrpc

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"

	"tyto/lab/label"
)

const currentVersion = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion`

// registryFile is what the registry of a server has, for Samba's net registry
// import.
func (s *Server) registryFile() string {
	var b strings.Builder
	b.WriteString("Windows Registry Editor Version 5.00\r\n\r\n")
	key := func(path string, values ...string) {
		b.WriteString("[" + strings.Replace(path, "HKLM", "HKEY_LOCAL_MACHINE", 1) + "]\r\n")
		for i := 0; i+1 < len(values); i += 2 {
			fmt.Fprintf(&b, "\"%s\"=\"%s\"\r\n", values[i], strings.ReplaceAll(values[i+1], `\`, `\\`))
		}
		b.WriteString("\r\n")
	}
	key(currentVersion+`\Run`, "SecurityHealth", `C:\Windows\system32\SecurityHealthSystray.exe`, "VMware User Process", `C:\Program Files\VMware\vmtoolsd.exe -n vmusr`)
	key(currentVersion+`\RunOnce`, "Cleanup", `C:\Windows\system32\cleanmgr.exe`)
	key(`HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName`, "ComputerName", s.Name)
	key(`HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server`, "fDenyTSConnections", "1")
	key(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon`, "Shell", "explorer.exe", "Userinit", `C:\Windows\system32\userinit.exe,`, "DefaultDomainName", s.Domain, "DefaultUserName", s.User)
	for range 3 + s.rng.IntN(25) {
		name := capital(word(5+s.rng.IntN(10), s.rng))
		key(currentVersion+`\Uninstall\`+name, "DisplayName", name+" 64-bit", "DisplayVersion", fmt.Sprintf("%d.%d.%d", s.rng.IntN(20), s.rng.IntN(30), s.rng.IntN(9999)), "Publisher", capital(word(7, s.rng))+" Ltd", "InstallLocation", `C:\Program Files\`+name)
	}
	return b.String()
}

// DrawRegistryTasks draws what somebody looks up in the registry, and values
// that they set so that a program starts with the next login, read again and
// perhaps delete.
func (s *Server) DrawRegistryTasks(looks, sets int, rng *rand.Rand) (all []Task) {
	list := func(key, want string) {
		all = append(all, Task{Line: "list\t" + key, Net: []string{"registry", "enumerate", key}, Impacket: []string{"reg.py", "query", "-keyName", key}, Want: regexp.MustCompile(want), Label: label.Enumeration})
	}
	get := func(key, value, want string) {
		all = append(all, Task{Line: "get\t" + key + "\t" + value, Net: []string{"registry", "getvalue", key, value}, Impacket: []string{"reg.py", "query", "-keyName", key, "-v", value}, Want: regexp.MustCompile(want), Label: label.Enumeration})
	}
	for range looks {
		switch rng.IntN(5) {
		case 0:
			list(currentVersion+`\Run`, `SecurityHealthSystray`)
		case 1:
			list(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon`, `explorer\.exe`)
		case 2:
			get(`HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName`, "ComputerName", regexp.QuoteMeta(s.Name))
		case 3:
			get(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon`, "DefaultUserName", regexp.QuoteMeta(s.User))
		case 4:
			list(currentVersion, `Uninstall`)
		}
	}
	for range sets {
		key, name, data := currentVersion+`\Run`, capital(word(7, rng)), fmt.Sprintf(`C:\ProgramData\%s.exe`, word(6, rng))
		all = append(all, Task{Line: strings.Join([]string{"set", key, name, data}, "\t"), Net: []string{"registry", "setvalue", key, name, "sz", data},
			Impacket: []string{"reg.py", "add", "-keyName", key, "-v", name, "-vt", "REG_SZ", "-vd", data}, Want: regexp.MustCompile(``), Label: label.Enumeration})
		get(key, name, regexp.QuoteMeta(data))
		if rng.IntN(2) == 0 {
			all = append(all, Task{Line: strings.Join([]string{"delete", key, name}, "\t"), Net: []string{"registry", "deletevalue", key, name},
				Impacket: []string{"reg.py", "delete", "-keyName", key, "-v", name}, Want: regexp.MustCompile(``), Label: label.Enumeration})
		}
	}
	return all
}
