// Package revshellwebsocket is a reverse shell inside a WebSocket.
package revshellwebsocket

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario opens a shell over a WebSocket, at whose other end somebody types.
var Scenario = lab.Scenario{
	Name:       "revshell-websocket",
	Doc:        "A host hands its shell to a listener over a WebSocket inside TLS, by keys or by lines. Teaches a responder that leads inside web traffic.",
	Labels:     []label.Label{label.ReverseShell},
	Techniques: []string{"T1059.004", "T1071.001", "T1573.002"},
	Twin:       "web-terminal",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("keys-go"), variant("lines-go"), variant("keys-nginx", "nginx"), variant("lines-nginx", "nginx")},
	Params: append(c2.ShellParams(),
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"live.example.net", "push.telemetry.example", "ws.chat.example.org"}}),
	Programs: c2.RelayPrograms(),
	Limit:    12 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		input, web, _ := strings.Cut(r.Variant(), "-")
		return c2.WorkRelayed(ctx, r, c2.Plan{Name: r.Param("name"), Front: web == "nginx"}, "websocket", input)
	},
}

func variant(name string, needs ...string) lab.Variant {
	return lab.Variant{Name: name, Needs: append(needs, "openssl", "ss", "ps")}
}
