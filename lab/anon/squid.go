package anon

import (
	"context"
	"fmt"

	"tyto/lab"
)

const squidConf = `http_port %s
pid_filename none
access_log none
cache_log /dev/null
cache_store_log none
cache deny all
cache_effective_user proxy
coredump_dir none
shutdown_lifetime 0 seconds
max_filedescriptors 1024
dns_nameservers 127.0.0.1
%s`

// squidHelper answers squid's question whether a name and password are right.
const squidHelper = "#!/bin/sh\nwhile read name password; do [ \"$name:$password\" = '%s' ] && echo OK || echo ERR; done\n"

// Squid starts the HTTP proxy squid on a host. It asks for name and password
// unless login ("name:password") is empty.
func Squid(ctx context.Context, r *lab.Run, h *lab.Host, port int, login string) error {
	r.Installed(h, "squid")
	access := "http_access allow all\n"
	if login != "" {
		access = fmt.Sprintf("auth_param basic program %s/helper\nauth_param basic children 1\nacl known proxy_auth REQUIRED\nhttp_access allow known\n", h.Dir())
		if err := h.Write("helper", fmt.Sprintf(squidHelper, login), 0o755); err != nil {
			return err
		}
	}
	if err := h.Write("squid.conf", fmt.Sprintf(squidConf, fmt.Sprint(port), access), 0o644); err != nil {
		return err
	}
	if _, err := h.Start(ctx, lab.Command{Args: []string{"squid", "-N", "-f", "squid.conf"}}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", port)
}
