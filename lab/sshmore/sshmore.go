// Package sshmore sets up what the scenarios about SSH sessions share beside
// the programs themselves (package ssh): a user who works on the server, their
// password, the moment a login is accepted, and commands that programs run.
package sshmore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/typist"
)

// Knobs that several scenarios have.
var (
	Port     = lab.Param{Name: "port", Doc: "of the server", Values: []string{"22", "22", "2222", "443", "8022"}}
	Role     = lab.Param{Name: "role", Doc: "who works there", Values: []string{"developer", "administrator", "analyst", "intruder"}}
	Terminal = lab.Param{Name: "terminal", Doc: "columns and rows", Values: []string{"80x24", "100x30", "132x43", "211x55"}}
)

// Variant is one of a client and a server, "openssh-dropbear"; more are further
// programs it needs.
func Variant(client, server string, more ...string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: append(ssh.Needs(client, server), more...)}
}

// Desk is a server with a user, whose home directory has the files that the
// commands of typists and Commands need.
type Desk struct {
	*ssh.Server
	User, Password string
	logins         int // that were waited for
}

// NewDesk starts a server on a host and adds a user, whose name is drawn.
func NewDesk(ctx context.Context, r *lab.Run, h *lab.Host, o ssh.Options) (*Desk, error) {
	d := &Desk{
		User:     Pick(r.Rand(), "mortiz", "deploy", "ops", "jlarsen", "nightly", "ahmed.k", "svc-batch", "cloud-user", "wei"),
		Password: Password(r.Rand()),
	}
	if err := h.AddUser(ctx, d.User, d.Password); err != nil {
		return nil, err
	}
	if err := h.WriteFiles("/home/"+d.User, typist.Developer.Files()); err != nil {
		return nil, err
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"chown", "-R", d.User + ":", "/home/" + d.User}}); err != nil {
		return nil, err
	}
	var err error
	d.Server, err = ssh.Start(ctx, r, h, o)
	return d, err
}

// NewClient makes a client ready that knows the servers' keys and may log in
// by its own.
func NewClient(ctx context.Context, r *lab.Run, h *lab.Host, kind string, desks ...*Desk) (*ssh.Client, error) {
	c, err := ssh.NewClient(ctx, r, h, kind)
	if err != nil {
		return nil, err
	}
	for _, d := range desks {
		if err := errors.Join(c.Trust(ctx, d.Server), d.Authorize(ctx, d.User, c)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Pick draws one of some values.
func Pick[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// Password draws a password that people and programs can type.
func Password(rng *rand.Rand) string {
	words := []string{"summer", "Dragon", "otter", "Welcome", "harbour", "mint", "pilot", "Tulip"}
	return fmt.Sprintf("%s%s%d", Pick(rng, words...), Pick(rng, "", "-", ".", "_"), 10+rng.IntN(9990))
}

// verdicts are what servers write when they accept or refuse a login.
var verdicts = map[string][2]*regexp.Regexp{
	"openssh":  {regexp.MustCompile(`Accepted \S+ for `), regexp.MustCompile(`Failed (password|keyboard-interactive\S*) for `)},
	"dropbear": {regexp.MustCompile(`auth succeeded for `), regexp.MustCompile(`Bad password attempt for |Login attempt for nonexistent user`)},
	"tinyssh":  {regexp.MustCompile(`auth: \S+: ssh-ed25519 .* accepted`), regexp.MustCompile(`auth: \S+: .* rejected`)},
}

// Allow lets whoever has one of the public keys log in at the desk.
func (d *Desk) Allow(ctx context.Context, public ...string) error {
	dir := "/home/" + d.User + "/.ssh"
	if err := d.Host.Write(dir+"/authorized_keys", strings.Join(public, ""), 0o600); err != nil {
		return err
	}
	_, err := d.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", `chmod 700 "$1" && chown -R "$2": "$1"`, "sh", dir, d.User}})
	return err
}

// Accepted waits until the server has accepted one more login, and returns when
// it wrote that.
func (d *Desk) Accepted(ctx context.Context, r *lab.Run) (label.Time, error) {
	return d.AcceptedWithin(ctx, r, 30*time.Second)
}

// AcceptedWithin is Accepted for a login that may be long in coming.
func (d *Desk) AcceptedWithin(ctx context.Context, r *lab.Run, most time.Duration) (label.Time, error) {
	d.logins++
	return await(ctx, r, d.Process, verdicts[d.Kind][0], d.logins, most)
}

// Gone waits until the server has no connection any more, and returns when it
// had none.
func (d *Desk) Gone(ctx context.Context, r *lab.Run) (label.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 40*time.Second, fmt.Errorf("a connection to %s stays", d.Host.Name()))
	defer cancel()
	for {
		out, err := d.Host.Run(ctx, lab.Command{Args: []string{"ss", "-Htn", "state", "established", "sport", "=", fmt.Sprint(":", d.Port)}})
		if err != nil {
			return 0, errors.Join(context.Cause(ctx), err)
		}
		if len(out) == 0 {
			return r.Now(), nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Verdicts counts the logins that the server accepted and the passwords that
// it refused.
func (d *Desk) Verdicts() (accepted, refused int) {
	out, v := d.Process.Output(), verdicts[d.Kind]
	return len(v[0].FindAllString(out, -1)), len(v[1].FindAllString(out, -1))
}

// Refused waits until the server has refused n passwords in all.
func (d *Desk) Refused(ctx context.Context, r *lab.Run, n int) error {
	_, err := Await(ctx, r, d.Process, verdicts[d.Kind][1], n)
	return err
}

// Await waits until a process has written n matches of a pattern, and returns
// when they were there. It gives up after half a minute.
func Await(ctx context.Context, r *lab.Run, p *lab.Process, pattern *regexp.Regexp, n int) (label.Time, error) {
	return await(ctx, r, p, pattern, n, 30*time.Second)
}

func await(ctx context.Context, r *lab.Run, p *lab.Process, pattern *regexp.Regexp, n int, most time.Duration) (label.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it did not write %s %d times", pattern, n))
	defer cancel()
	for {
		if len(pattern.FindAllString(p.Output(), n)) >= n {
			return r.Now(), nil
		}
		select {
		case <-ctx.Done():
			out := p.Output()
			return 0, fmt.Errorf("%w but\n%s", context.Cause(ctx), out[max(0, len(out)-1000):])
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// WaitFile waits until a file is there.
func WaitFile(ctx context.Context, h *lab.Host, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("there is no %s on %s", name, h.Name()))
	defer cancel()
	for {
		if _, err := os.Lstat(h.Path(name)); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

var asksPassword = regexp.MustCompile(`(assword|assphrase for key '\S+'): ?$`)

// AwaitPassword waits until a client asks for a password or passphrase.
func AwaitPassword(ctx context.Context, t *lab.Terminal) error {
	_, err := t.Expect(ctx, asksPassword)
	return err
}

// TypePassword waits until a client asks for a password, and types one.
func TypePassword(ctx context.Context, r *lab.Run, t *lab.Terminal, password string) error {
	if err := AwaitPassword(ctx, t); err != nil {
		return err
	}
	return t.Type(ctx, r.Typist(), password+"\n")
}

// RoleOf is the run's parameter "role".
func RoleOf(r *lab.Run) typist.Role {
	role, err := typist.ParseRole(r.Param("role"))
	if err != nil {
		panic(err) // it is one of Role's values
	}
	return role
}

// Work is a person's time at the prompt that t shows: some commands of the
// run's parameter "role", and logging out. What comes before the prompt is the
// segment handshake.
func Work(ctx context.Context, r *lab.Run, t *lab.Terminal, sel lab.Selector, commands int, handshake func()) error {
	if err := lab.Shell(ctx, r, t, sel, lab.Script{Role: RoleOf(r), Count: commands, Ready: handshake}); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, sel)
}

// Commands draws n commands as programs run them, each alone, in the home
// directory of a Desk's user.
func (d *Desk) Commands(n int, rng *rand.Rand) []typist.Command {
	files := typist.Developer.Files()
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	all := make([]typist.Command, n)
	for i := range all {
		file, a, b := Pick(rng, names...), 100+rng.IntN(900), 100+rng.IntN(900)
		all[i] = Pick(rng,
			typist.Command{Text: "uptime", Want: "load average"},
			typist.Command{Text: "cat /proc/meminfo", Want: "MemTotal"},
			typist.Command{Text: "df -P /", Want: "Filesystem"},
			typist.Command{Text: "ps -eo pid,ppid,comm", Want: "PPID"},
			typist.Command{Text: "ss -tln", Want: "LISTEN"},
			typist.Command{Text: "uname -n; id -un", Want: d.Host.Name() + "\n" + d.User},
			typist.Command{Text: "wc -c " + file, Want: fmt.Sprint(len(files[file]), " ")},
			typist.Command{Text: "cat " + file, Want: files[file]},
			typist.Command{Text: "find . -type f | sort", Want: "README.md"},
			typist.Command{Text: fmt.Sprintf("test -d /home && echo $((%d*%d))", a, b), Want: fmt.Sprint(a * b)},
			typist.Command{Text: "md5sum " + file, Want: "  " + file},
			typist.Command{Text: "ls -l " + path.Dir("./"+file), Want: path.Base(file)},
		)
	}
	return all
}

// Check returns an error if an answer is not what the command must print.
func Check(c typist.Command, answer string) error {
	if plain := strings.ReplaceAll(answer, "\r\n", "\n"); !strings.Contains(plain, c.Want) {
		return fmt.Errorf("%q printed %q, without %q", c.Text, plain[:min(len(plain), 300)], c.Want)
	}
	return nil
}

// Users draws n names of users, none of whom is but.
func Users(n int, but string, rng *rand.Rand) []string {
	all := make([]string, 0, n)
	for len(all) < n {
		name := Pick(rng, "admin", "test", "oracle", "postgres", "git", "user", "guest", "mysql", "pi", "jenkins", "ftp", "nagios") + Pick(rng, "", "", "1", "2", "01", "24")
		if name != but && (!slices.Contains(all, name) || len(all) > 50) {
			all = append(all, name)
		}
	}
	return all
}
