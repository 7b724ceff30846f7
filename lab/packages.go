package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// packages are the Debian packages of programs whose names differ.
var packages = map[string]string{
	"aria2c": "aria2", "chromium": "chromium", "dbclient": "dropbear-bin", "dig": "bind9-dnsutils", "dns2tcpc": "dns2tcp",
	"dns2tcpd": "dns2tcp", "dropbear": "dropbear-bin", "dropbearkey": "dropbear-bin", "ffmpeg": "ffmpeg", "freerdp-shadow-cli": "freerdp2-shadow-x11",
	"getent": "libc-bin", "git": "git", "unbound": "unbound", "dnsmasq": "dnsmasq-base", "ip": "iproute2", "iodined": "iodine", "kdig": "knot-dnsutils", "krb5kdc": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user", "kvno": "krb5-user", "klist": "krb5-user", "kdb5_util": "krb5-kdc",
	"ldapsearch": "ldap-utils", "ldapmodify": "ldap-utils", "mariadb": "mariadb-client", "mariadbd": "mariadb-server", "mosh": "mosh", "mosquitto_pub": "mosquitto-clients", "mosquitto_sub": "mosquitto-clients",
	"nc": "netcat-openbsd", "ncat": "ncat", "nginx": "nginx-light", "ocserv": "ocserv", "openssl": "openssl", "ping": "iputils-ping", "plink": "putty-tools",
	"proxychains4": "proxychains4", "psftp": "putty-tools", "pscp": "putty-tools", "psql": "postgresql-client", "postgres": "postgresql", "redis-cli": "redis-tools",
	"rpcclient": "smbclient", "samba": "samba", "samba-tool": "samba-common-bin", "net": "samba-common-bin", "smbpasswd": "samba-common-bin", "winbindd": "winbind", "scp": "openssh-client", "sftp": "openssh-client", "sipp": "sip-tester", "smbclient": "smbclient", "smbd": "samba",
	"snmpget": "snmp", "ss-local": "shadowsocks-libev", "ss-server": "shadowsocks-libev", "ssh": "openssh-client", "ssh-add": "openssh-client", "ssh-agent": "openssh-client",
	"ssh-keygen": "openssh-client", "ssh-keyscan": "openssh-client", "sshd": "openssh-server", "sshfs": "sshfs", "sshpass": "sshpass", "stunnel4": "stunnel4", "stunnel": "stunnel4", "swanctl": "strongswan-swanctl",
	"charon": "strongswan-charon", "tinysshd": "tinysshd", "tor": "tor", "tor-gencert": "tor", "edge": "n2n", "supernode": "n2n", "tincd": "tinc", "usermod": "passwd", "apt-get": "apt", "find": "findutils", "chronyd": "chrony", "ntpdig": "ntpsec-ntpdig", "nslookup": "bind9-dnsutils", "vncviewer": "tigervnc-viewer", "Xtigervnc": "tigervnc-standalone-server",
	"vsftpd": "vsftpd", "websocat": "websocat", "wg": "wireguard-tools", "wireguard-go": "wireguard-go", "xfreerdp": "freerdp2-x11", "xauth": "xauth", "Xvfb": "xvfb",
	"xdotool": "xdotool", "xrdp": "xrdp", "top": "procps", "ps": "procps", "ss": "iproute2", "vi": "vim-tiny", "puttygen": "putty-tools", "useradd": "passwd", "chpasswd": "passwd", "python3": "python3",
}

// Package returns the Debian package that a Variant's need is in.
func Package(need string) string {
	if _, name, ok := strings.Cut(need, "@"); ok {
		return name
	}
	if module, ok := strings.CutPrefix(need, "py:"); ok {
		return "python3-" + module
	}
	need = filepath.Base(need)
	if name, ok := packages[need]; ok {
		return name
	}
	return need
}

// Have reports whether the machine has what a Variant needs.
func Have(need string) bool {
	program, _, _ := strings.Cut(need, "@")
	if module, ok := strings.CutPrefix(program, "py:"); ok {
		for _, suffix := range []string{"", ".py"} {
			if _, err := os.Stat("/usr/lib/python3/dist-packages/" + module + suffix); err == nil {
				return true
			}
		}
		return false
	}
	path, err := lookPath(program, "/")
	if err == nil {
		_, err = os.Stat(path)
	}
	return err == nil
}

// Missing returns the Debian packages that a variant needs and the machine
// lacks.
func (v Variant) Missing() (names []string) {
	for _, n := range v.Needs {
		if !Have(n) {
			names = append(names, Package(n))
		}
	}
	return names
}

// packageStatus reads Debian's list of installed packages, once.
var packageStatus = sync.OnceValue(func() map[string]string {
	versions := make(map[string]string)
	data, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		return versions
	}
	for block := range bytes.SplitSeq(data, []byte("\n\n")) {
		var name string
		for line := range bytes.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(string(line)), ": ")
			switch key {
			case "Package":
				name = value
			case "Version":
				versions[name] = value
			}
		}
	}
	return versions
})

// PackageVersion returns the version of an installed package, "unknown" if it
// is not Debian's.
func PackageVersion(name string) string {
	if v := packageStatus()[name]; v != "" {
		return v
	}
	return "unknown"
}
