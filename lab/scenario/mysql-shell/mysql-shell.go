// Package mysqlshell is somebody who asks a MariaDB database.
package mysqlshell

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario works at the prompt of the mariadb client.
var Scenario = lab.Scenario{
	Name:     "mysql-shell",
	Doc:      "A person asks a MariaDB database over TLS at its client's prompt. A shell by lines whose keys stay on the client: the benign twin of a reverse shell that works by lines.",
	Labels:   []label.Label{label.Shell},
	Twin:     "revshell-tls",
	Hosts:    []string{"client", "server"},
	Variants: []lab.Variant{{Name: "mariadb-mariadbd", Needs: []string{"mariadbd", "mariadb-install-db@mariadb-server", "mariadb", "openssl"}}},
	Params: []lab.Param{
		{Name: "commands", Doc: "how many", Values: []string{"4", "8", "14"}},
		{Name: "customers", Doc: "in the database", Values: []string{"30", "120"}},
		{Name: "login", Doc: "the password is typed, or known to the program", Values: []string{"typed", "known"}},
		{Name: "tls", Doc: "version", Values: []string{"TLSv1.2", "TLSv1.3", "TLSv1.3"}},
		{Name: "terminal", Doc: "columns and rows", Values: []string{"80x24", "100x30", "132x43", "211x55"}},
		{Name: "port", Doc: "of the server", Values: []string{"3306", "3306", "3307", "13306"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	const name = "db.corp.example"
	if _, err := webapp.Certify(ctx, r, server, "rsa", name, client); err != nil {
		return err
	}
	r.Installed(client, "mariadb")
	r.Installed(server, "mariadbd")
	if _, err := server.Run(ctx, lab.Command{Args: strings.Fields("mariadb-install-db --no-defaults --user=root --skip-name-resolve --skip-test-db --auth-root-authentication-method=normal --datadir=" + server.Dir() + "/data")}); err != nil {
		return err
	}
	if _, err := server.Start(ctx, lab.Command{Args: strings.Fields("mariadbd --no-defaults --user=root --skip-name-resolve --innodb-flush-log-at-trx-commit=0 --socket=/tmp/db.sock --datadir=" + server.Dir() + "/data --port=" + r.Param("port") +
		" --ssl-cert=" + server.Dir() + "/server.pem --ssl-key=" + server.Dir() + "/server.key --require-secure-transport --tls-version=" + r.Param("tls"))}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	password := fmt.Sprint("pw-", 100000+r.Rand().IntN(900000))
	shop := webapp.NewShop(r.ParamInt("customers"), r.Rand())
	sql := fmt.Sprintf("create database shop; create user clerk identified by '%s'; grant all on shop.* to clerk; use shop; begin;\n%scommit;\n", password, shop.SQL())
	if _, err := server.Run(ctx, lab.Command{Args: strings.Fields("mariadb --no-defaults -u root -S /tmp/db.sock"), Stdin: strings.NewReader(sql)}); err != nil {
		return err
	}
	args := strings.Fields("mariadb --no-defaults --ssl-verify-server-cert --ssl-ca=/etc/ssl/certs/lab.pem -u clerk -h " + name + " -P " + r.Param("port"))
	if r.Param("login") == "typed" {
		args = append(args, "-p", "shop")
	} else {
		args = append(args, "-p"+password, "shop")
	}
	t, err := client.Terminal(ctx, lab.Command{Args: args}, r.Param("terminal"))
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
	script := lab.Script{Commands: shop.Questions(r.ParamInt("commands"), "show tables;", "describe orders;", "Rows matched: 1"), Ready: handshake}
	if err := lab.Shell(ctx, r, t, sel, script); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, sel)
}
