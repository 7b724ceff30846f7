package webapp

import (
	"runtime"

	"tyto/lab"
)

// Variants are all pairs of the kinds of clients and of servers "nginx" and
// "go", named CLIENT-SERVER. A client is "go" (one of the scenario's Programs),
// a library of Python ("requests", "aiohttp", "websockets"), "chromium", or a program.
func Variants(clients ...string) (all []lab.Variant) {
	for _, c := range clients {
		for _, server := range []string{"nginx", "go"} {
			needs := []string{"openssl"}
			switch {
			case isPython(c):
				needs = append(needs, python, "py:"+c)
			case c == "chromium":
				needs = append(needs, chromium)
			case c != "go":
				needs = append(needs, c)
			}
			if server == "nginx" {
				needs = append(needs, "nginx")
			}
			all = append(all, lab.Variant{Name: c + "-" + server, Needs: needs})
		}
	}
	return all
}

// python is Debian's, which has Debian's modules.
const python = "/usr/bin/python3"

// chromium is the program that works without a screen.
const chromium = "chromium-headless-shell"

func isPython(kind string) bool {
	return kind == "requests" || kind == "aiohttp" || kind == "websockets"
}

// Client returns the command that starts a client of a kind on h: the program
// "client" of the scenario for "go", the script with the library's name as its
// first argument for a library of Python, and otherwise the program of that
// name. It tells what software that is.
func Client(r *lab.Run, h *lab.Host, kind, script string) (lab.Command, error) {
	switch {
	case kind == "go":
		r.Software(h.Name(), "net/http", runtime.Version())
		return lab.Command{Program: "client"}, nil
	case isPython(kind):
		r.Software(h.Name(), "python3-"+kind, lab.PackageVersion("python3-"+kind))
		return lab.Command{Args: []string{python, "client.py", kind}}, h.Write("client.py", script, 0o644)
	case kind == "chromium":
		kind = chromium
	}
	r.Installed(h, kind)
	return lab.Command{Args: []string{kind}}, nil
}
