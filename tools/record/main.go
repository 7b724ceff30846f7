// Command record makes the project's own captures: it builds a small office of
// network namespaces, runs real clients and servers in it, and records what
// passes through the office's router. "make captures" runs it; it needs root
// and Debian 12, and takes about three minutes once the packages are installed.
//
// Everything happens inside private mount, process and network namespaces: the
// lab has no way out to the machine's own network, writes to copies of /etc,
// /var, /home and /root that live in memory, and disappears with its first
// process, however that ends. The only things that stay are the captures and
// the Debian packages, which are installed without being started.
//
// To add a capture:
//  1. Start what it needs in services.go, and say what happens as a step of an
//     actor in day.go (part of the demo) or extra.go (tests only).
//  2. Give the step a pattern that proves success: output that came back over
//     the wire.
//  3. Describe the cut in cuts.go and run "make captures".
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// packages are the Debian packages that the lab runs.
const packages = `openssh-server openssh-client dropbear-bin samba smbclient samba-dsdb-modules samba-vfs-modules
	samba-ad-provision winbind krb5-user krb5-kdc krb5-admin-server slapd ldap-utils libsasl2-modules-gssapi-mit nginx-light
	vsftpd redis-server redis-tools mosquitto mosquitto-clients mariadb-server mariadb-client snmpd snmp chrony openvpn
	wireguard-go wireguard-tools dnsmasq-base isc-dhcp-client udhcpc nmap tcpdump expect sshpass swaks socat inetutils-telnetd
	inetutils-telnet tftpd-hpa avahi-daemon curl wget hydra dovecot-imapd dovecot-pop3d postfix microsocks rsync git unbound
	knot-dnsutils bind9-dnsutils iputils-ping traceroute ethtool sip-tester libcoap3-bin rpcbind python3-impacket
	python3-pymodbus python3-serial-asyncio postgresql-15 postgresql-client-15 openssl procps iproute2 util-linux`

func main() {
	demo := flag.String("demo", "cmd/tyto/demo", "`folder` of the demo capture")
	tests := flag.String("tests", "sensor/testdata", "`folder` of the test captures")
	keep := flag.String("keep", "", "also keep the whole recordings and the servers' logs in this `folder`")
	verbose := flag.Bool("v", false, "print the output of each step")
	install := flag.Bool("install", true, "install the Debian packages that are missing")
	flag.Parse()
	if run := flag.Arg(0); run != "" {
		if err := helper(flag.Args()); err != nil {
			fatal(err)
		}
		return
	}
	if os.Getenv("TYTO_LAB") == "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := enter(ctx, *install, *demo, *tests, *keep); err != nil {
			fatal(err)
		}
		return
	}
	if err := record(*verbose); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "record:", err)
	os.Exit(1)
}

// enter installs what is missing and runs this program again inside the lab's
// own namespaces. The kernel ends every process of the lab when the first one
// ends.
func enter(ctx context.Context, install bool, demo, tests, keep string) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("network namespaces need root")
	}
	if install {
		if err := installPackages(ctx); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	out, err := os.MkdirTemp("", "tyto-captures-")
	if err != nil {
		return fmt.Errorf("make a folder for the captures: %w", err)
	}
	defer os.RemoveAll(out)
	// Without CAP_SYS_TIME no time daemon of the lab can set the machine's clock.
	args := []string{
		"--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--mount-proc", "--propagation=private", "--kill-child=KILL",
		"setpriv", "--bounding-set=-sys_time", self,
	}
	args = append(args, os.Args[1:]...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), "TYTO_LAB="+out, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	if keep != "" {
		if err := copyFiles(filepath.Join(out, "whole"), keep); err != nil {
			return err
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: nothing was written")
		}
		return fmt.Errorf("the lab: %w", err)
	}
	// Only a complete run replaces captures.
	for from, to := range map[string]string{"demo": demo, "tests": tests} {
		if err := copyFiles(filepath.Join(out, from), to); err != nil {
			return err
		}
	}
	return nil
}

func copyFiles(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", to, err)
	}
	names, err := filepath.Glob(filepath.Join(from, "*"))
	if err != nil {
		return fmt.Errorf("list captures: %w", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read capture: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(name)), b, 0o644); err != nil {
			return fmt.Errorf("write capture: %w", err)
		}
	}
	return nil
}

// installPackages installs what is missing. A policy-rc.d that exits 101 keeps
// Debian from starting the daemons on the machine itself; one that was there
// before stays as it was.
func installPackages(ctx context.Context) error {
	var missing []string
	for _, p := range strings.Fields(packages) {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Status}", p).Output()
		if err != nil || !bytes.Contains(out, []byte("install ok installed")) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(os.Stderr, "installing %s\n", strings.Join(missing, " "))
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	switch {
	case err == nil:
		_, err = io.WriteString(f, "#!/bin/sh\nexit 101\n")
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		defer os.Remove(policy)
		if err != nil {
			return fmt.Errorf("write %s: %w", policy, err)
		}
	case os.IsExist(err):
		if out, _ := os.ReadFile(policy); !bytes.Contains(out, []byte("exit 101")) {
			return fmt.Errorf("%s exists and would let daemons start: install these by hand: %s", policy, strings.Join(missing, " "))
		}
	default:
		return fmt.Errorf("write %s: %w", policy, err)
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}

// record runs the lab, inside its namespaces.
func record(verbose bool) error {
	l, err := newLab(os.Getenv("TYTO_LAB"), verbose)
	if err != nil {
		return err
	}
	started := time.Now()
	if err := l.build(); err != nil {
		return err
	}
	if err := l.services(); err != nil {
		return err
	}
	l.logf("ready after %v", time.Since(started).Round(time.Second))
	for _, rec := range []recording{{"office", "br0", l.day}, {"extra", "br0", l.extra}} {
		began := time.Now()
		if err := l.capture(rec); err != nil {
			return err
		}
		l.logf("%s recorded in %v", rec.name, time.Since(began).Round(time.Second))
	}
	if err := l.failed(); err != nil {
		return err
	}
	return l.cutAll()
}
