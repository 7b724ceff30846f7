// Package psqlshell is somebody who asks a PostgreSQL database.
package psqlshell

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario works at the prompt of psql.
var Scenario = lab.Scenario{
	Name:   "psql-shell",
	Doc:    "A person asks a PostgreSQL database over TLS at the prompt of psql. A shell by lines whose keys stay on the client: the benign twin of a reverse shell that works by lines.",
	Labels: []label.Label{label.Shell},
	Twin:   "revshell-tls",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "psql-postgres", Needs: []string{"/usr/lib/postgresql/15/bin/postgres@postgresql-15", "psql", "openssl"}},
	},
	Params: []lab.Param{
		{Name: "commands", Doc: "how many", Values: []string{"4", "8", "14"}},
		{Name: "customers", Doc: "in the database", Values: []string{"30", "120"}},
		{Name: "login", Doc: "the password is typed, or known to the program", Values: []string{"typed", "known"}},
		{Name: "tls", Doc: "highest version", Values: []string{"TLSv1.2", "TLSv1.3", "TLSv1.3"}},
		{Name: "terminal", Doc: "columns and rows", Values: []string{"80x24", "100x30", "132x43", "211x55"}},
		{Name: "port", Doc: "of the server", Values: []string{"5432", "5432", "6432", "5433"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

// install makes a database that belongs to the user it must belong to.
const install = `set -e
mkdir -p /var/lib/shop && cp server.pem server.key /var/lib/shop && chmod 600 /var/lib/shop/server.key && chown -R postgres: /var/lib/shop && cd /var/lib/shop
setpriv --reuid=postgres --regid=postgres --clear-groups /usr/lib/postgresql/15/bin/initdb --no-sync --auth=trust --encoding=UTF8 --locale=C.UTF-8 data >/dev/null
echo 'hostssl all all all scram-sha-256' >>data/pg_hba.conf
`

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	const name = "db.corp.example"
	if _, err := webapp.Certify(ctx, r, server, "rsa", name, client); err != nil {
		return err
	}
	r.Installed(client, "psql")
	r.Software("server", "postgresql-15", lab.PackageVersion("postgresql-15"))
	if _, err := server.Run(ctx, lab.Command{Args: []string{"sh", "-c", install}}); err != nil {
		return err
	}
	if _, err := server.Start(ctx, lab.Command{User: "postgres", Dir: "/var/lib/shop", Args: []string{
		"/usr/lib/postgresql/15/bin/postgres", "-D", "data", "-c", "listen_addresses=*", "-c", "port=" + r.Param("port"), "-c", "unix_socket_directories=/tmp", "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file=/var/lib/shop/server.pem", "-c", "ssl_key_file=/var/lib/shop/server.key", "-c", "ssl_max_protocol_version=" + r.Param("tls"),
	}}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	password := fmt.Sprint("pw-", 100000+r.Rand().IntN(900000))
	shop := webapp.NewShop(r.ParamInt("customers"), r.Rand())
	sql := fmt.Sprintf("create user clerk password '%s'; create database shop owner clerk;\n\\c shop clerk\n%s", password, shop.SQL())
	if err := server.Write("shop.sql", sql, 0o644); err != nil {
		return err
	}
	// It listens before it is ready for the first session.
	const load = `until psql -h /tmp -p $0 -U postgres -c "select 1" >/dev/null 2>&1; do sleep .1; done; psql -q -v ON_ERROR_STOP=1 -h /tmp -p $0 -U postgres -f shop.sql`
	if _, err := server.Run(ctx, lab.Command{Args: []string{"sh", "-c", load, r.Param("port")}}); err != nil {
		return err
	}
	env := []string{"PSQL_PAGER=cat", "PGSSLROOTCERT=/etc/ssl/certs/lab.pem", "PGSSLMODE=verify-full"}
	if r.Param("login") == "known" {
		env = append(env, "PGPASSWORD="+password)
	}
	t, err := client.Terminal(ctx, lab.Command{Env: env, Args: []string{"psql", "-h", name, "-p", r.Param("port"), "-U", "clerk", "-d", "shop", map[string]string{"typed": "-W", "known": "-w"}[r.Param("login")]}}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	handshake := r.Segment(sel, label.StateHandshake, r.Param("login"))
	if r.Param("login") == "typed" {
		if _, err := t.Expect(ctx, regexp.MustCompile(`assword: $`)); err != nil {
			return err
		}
		if err := t.Type(ctx, r.Typist(), password+"\n"); err != nil {
			return err
		}
	}
	script := lab.Script{Commands: shop.Questions(r.ParamInt("commands"), `\dt`, `\d orders`, "UPDATE 1"), Ready: handshake}
	if err := lab.Shell(ctx, r, t, sel, script); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, sel)
}
