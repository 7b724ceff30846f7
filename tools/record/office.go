package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// hosts of the office (10.20.0.0/16) and of "the internet" (the networks that
// RFC 5737 and RFC 3849 keep for documentation).
var hosts = []host{
	{"dc1", "office", []string{"10.20.0.10/16"}, "02:20:00:00:00:10"},
	{"srv-file-1", "office", []string{"10.20.0.20/16"}, "02:20:00:00:00:20"},
	{"db-2", "office", []string{"10.20.0.32/16"}, "02:20:00:00:00:32"},
	{"srv-web-1", "office", []string{"10.20.0.40/16", "2001:db8:20::40/64"}, "02:20:00:00:00:40"},
	{"sw-core-1", "office", []string{"10.20.0.2/16"}, "02:20:00:00:00:02"},
	{"adm-ws-01", "office", []string{"10.20.2.5/16"}, "02:20:00:00:02:05"},
	{"sensor-11", "office", []string{"10.20.9.11/16"}, "02:20:00:00:09:11"},
	{"fin-lt-03", "office", nil, "02:20:00:00:03:17"},
	{"dev-ws-07", "office", []string{"2001:db8:20::342/64"}, "02:20:00:00:03:42"},
	{"www", "outside", []string{"198.51.100.80/24", "198.51.100.81/24", "2001:db8:80::80/64"}, "02:99:00:00:00:80"},
	{"mail", "outside", []string{"198.51.100.25/24"}, "02:99:00:00:00:25"},
	{"cdn-sync", "outside", []string{"203.0.113.9/24", "203.0.113.10/24"}, "02:99:00:00:00:09"},
	{"resolver", "outside", []string{"192.0.2.53/24"}, "02:99:00:00:00:53"},
	{"vpn", "outside", []string{"192.0.2.77/24"}, "02:99:00:00:00:77"},
}

// names are what the outside resolver answers.
var names = map[string]string{
	"www.example.com":      "198.51.100.80",
	"partner.example.net":  "198.51.100.81",
	"git.example.com":      "198.51.100.80",
	"mail.example.org":     "198.51.100.25",
	"cdn-sync.example":     "203.0.113.9",
	"api.cdn-sync.example": "203.0.113.10",
	"dns.example.net":      "192.0.2.53",
	"ntp.example.net":      "192.0.2.53",
	"vpn.example.net":      "192.0.2.77",
}

const realm = "CORP.EXAMPLE"

// Passwords are made up for the lab and used nowhere else.
const (
	adminPassword  = "Lab-Admin-2024"
	ortizPassword  = "Harvest-Moon-31"
	lindPassword   = "Quiet-River-08"
	kowalPassword  = "Copper-Kettle-5"
	backupPassword = "backup2019"
)

// build makes the namespaces, their links and the users.
func (l *lab) build() error {
	script := `
		ip netns add tyto-router
		mkdir -p $1/router/samba
		r="ip -n tyto-router"
		$r link set lo up
		ip netns exec tyto-router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		for n in 0 1; do
			$r link add br$n address 02:20:00:00:00:0$n type bridge stp_state 0 forward_delay 0 mcast_snooping 0
			$r link set br$n up
		done
		$r addr add 10.20.0.1/16 dev br0
		$r addr add 2001:db8:20::1/64 dev br0 nodad
		for a in 198.51.100.1/24 203.0.113.1/24 192.0.2.1/24; do $r addr add $a dev br1; done
		$r addr add 2001:db8:80::1/64 dev br1 nodad
		off="tx off rx off sg off tso off gso off gro off"
		i=0
		while read -r name net mac addrs; do
			i=$((i + 1)) n="ip -n tyto-$name" br=br0
			[ $net = office ] || br=br1
			ip netns add tyto-$name
			ip link add t0 netns tyto-$name address $mac type veth peer name p$i netns tyto-router
			$n link set t0 name eth0
			ip netns exec tyto-$name ethtool -K eth0 $off >/dev/null
			ip netns exec tyto-router ethtool -K p$i $off >/dev/null
			$r link set p$i master $br up
			$n link set lo up
			$n link set eth0 up
			for a in $addrs; do
				nodad=; case $a in *:*) nodad=nodad;; esac
				$n addr add $a dev eth0 $nodad
				gw=$(echo $a | sed -E 's,[0-9]+/24$,1,; s,^10\.20\..*,10.20.0.1,; s,::[0-9a-f]+/64$,::1,')
				case $a in
				*:*) $n -6 route replace default via $gw ;;
				*) $n route replace default via $gw ;;
				esac
			done
			mkdir -p /etc/netns/tyto-$name $1/$name/samba
			if [ $net = office ]; then printf 'search corp.example\nnameserver 10.20.0.10\n'; else echo nameserver 192.0.2.53; fi >/etc/netns/tyto-$name/resolv.conf
			printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/netns/tyto-$name/hosts
		done
		printf '127.0.0.1 localhost\n10.20.0.10 dc1.corp.example dc1\n' >/etc/netns/tyto-dc1/hosts
		printf '127.0.0.1 localhost\n10.20.0.20 srv-file-1.corp.example srv-file-1\n' >/etc/netns/tyto-srv-file-1/hosts
		while read -r user password; do
			id $user >/dev/null 2>&1 || useradd -m -s /bin/bash $user
			echo "$user:$password" | chpasswd
		done <<-END
			m.ortiz ` + ortizPassword + `
			j.lind ` + lindPassword + `
			a.kowal ` + kowalPassword + `
			svc-backup ` + backupPassword + `
			root ` + adminPassword + `
		END
		cat >/etc/krb5.conf <<-END
			[libdefaults]
			default_realm = ` + realm + `
			dns_lookup_kdc = false
			rdns = false
			dns_canonicalize_hostname = false
			[realms]
			` + realm + ` = {
			kdc = dc1.corp.example
			}
		END`
	var table strings.Builder
	for _, h := range hosts {
		fmt.Fprintln(&table, h.name, h.net, h.mac, strings.Join(h.addrs, " "))
	}
	cmd := l.commandHere("bash", "-euc", script, "bash", stateDir)
	cmd.Stdin = strings.NewReader(table.String())
	if err := output(cmd); err != nil {
		return fmt.Errorf("build the network: %w", err)
	}
	return l.certificates()
}

// authority is the lab's certificate authority; a nil one makes self-signed
// certificates.
type authority struct {
	cert *x509.Certificate
	key  any
}

// certificates writes keys and certificates for the lab's servers.
func (l *lab) certificates() error {
	now := time.Now()
	ca, err := issue(nil, "Tyto Lab Root CA", nil, now.AddDate(-1, 0, 0), now.AddDate(9, 0, 0), false)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		by       *authority
		name     string
		alt      []string
		from, to time.Time
		rsa      bool
	}{
		{ca, "www.example.com", []string{"www.example.com", "example.com", "git.example.com"}, now.AddDate(0, -1, 0), now.AddDate(0, 2, 0), false},
		{ca, "partner.example.net", []string{"partner.example.net"}, now.AddDate(-1, -1, 0), now.AddDate(0, -1, 0), true},
		{ca, "mail.example.org", []string{"mail.example.org"}, now.AddDate(0, -2, 0), now.AddDate(1, 0, 0), true},
		{ca, "dns.example.net", []string{"dns.example.net"}, now.AddDate(0, -1, 0), now.AddDate(0, 2, 0), false},
		{ca, "vpn.example.net", []string{"vpn.example.net"}, now.AddDate(0, -1, 0), now.AddDate(1, 0, 0), true},
		{ca, "client.vpn.example.net", nil, now.AddDate(0, -1, 0), now.AddDate(1, 0, 0), true},
		{ca, "intranet.corp.example", []string{"intranet.corp.example", "srv-web-1.corp.example"}, now.AddDate(0, -1, 0), now.AddDate(1, 0, 0), true},
		{ca, "db-2.corp.example", []string{"db-2.corp.example"}, now.AddDate(0, -1, 0), now.AddDate(1, 0, 0), true},
		{nil, "nas", []string{"nas.local"}, now.AddDate(-3, 0, 0), now.AddDate(7, 0, 0), true},
		{nil, "api.cdn-sync.example", []string{"api.cdn-sync.example"}, now.AddDate(0, 0, -1), now.AddDate(1, 0, 0), false},
	} {
		if _, err := issue(c.by, c.name, c.alt, c.from, c.to, c.rsa); err != nil {
			return err
		}
	}
	return nil
}

// issue writes NAME.key and NAME.crt (followed by its issuer) below stateDir.
func issue(by *authority, name string, alt []string, from, to time.Time, useRSA bool) (*authority, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("certificate serial: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial, NotBefore: from, NotAfter: to, DNSNames: alt, BasicConstraintsValid: true,
		Subject:     pkix.Name{CommonName: name, Organization: []string{"Tyto Lab"}},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	var key, public any
	if useRSA {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		key, public = k, &k.PublicKey
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		key, public = k, &k.PublicKey
	}
	parent, signer := t, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	if by == nil && alt == nil {
		t.IsCA, t.KeyUsage, t.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("make certificate %s: %w", name, err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if by != nil {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: by.cert.Raw})...)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	file := name
	if t.IsCA {
		file = "ca"
	}
	if err := os.WriteFile(filepath.Join(stateDir, file+".crt"), chain, 0o644); err != nil {
		return nil, fmt.Errorf("write certificate: %w", err)
	}
	if err := os.WriteFile(filepath.Join(stateDir, file+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o644); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back certificate: %w", err)
	}
	return &authority{cert, key}, nil
}

// reverse is the name of an address in in-addr.arpa.
func reverse(addr string) string {
	a := net.ParseIP(addr).To4()
	return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", a[3], a[2], a[1], a[0])
}
