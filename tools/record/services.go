package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// service is a server of the lab: what prepares it, what runs it in the
// foreground, and what shows that it is ready.
type service struct {
	host, name, setup, run, ready string
}

// config writes a configuration file of a host. Lines lose the indentation
// that the Go source gives them.
func config(host, name, text string) error {
	path := filepath.Join(stateDir, host, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	b.WriteByte('\n')
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// services starts every server of the lab, each group one after the other and
// groups side by side.
func (l *lab) services() error {
	if err := l.configurations(); err != nil {
		return err
	}
	groups := [][]service{domainServices, webServices, shellServices, dataServices, networkServices, tunnelServices}
	errs := make([]error, len(groups))
	var wg sync.WaitGroup
	for i, group := range groups {
		wg.Go(func() {
			for _, s := range group {
				began := time.Now()
				if s.setup != "" {
					if errs[i] = l.setup(s.host, s.setup); errs[i] != nil {
						return
					}
				}
				if s.run != "" {
					if errs[i] = l.serve(s.host, s.name, s.run, s.ready); errs[i] != nil {
						return
					}
				}
				l.logf("  %-22s %-12s %6.1fs ready", s.name, s.host, time.Since(began).Seconds())
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sshd makes an OpenSSH server with host keys of its own.
func sshd(host, listen, port, options string) service {
	dir := "$S/" + host + "/ssh-" + port
	return service{host, "sshd-" + port, `
		mkdir -p ` + dir + `
		ssh-keygen -q -t ed25519 -N '' -C '' -f ` + dir + `/ed25519
		ssh-keygen -q -t rsa -b 2048 -N '' -C '' -f ` + dir + `/rsa
		cat >` + dir + `/config <<-END
			ListenAddress ` + listen + `
			Port ` + port + `
			HostKey ` + dir + `/ed25519
			HostKey ` + dir + `/rsa
			PidFile none
			UsePAM no
			PasswordAuthentication yes
			KbdInteractiveAuthentication no
			PrintMotd no
			GatewayPorts no
			MaxStartups 50
			Subsystem sftp internal-sftp
			` + options + `
		END`,
		"/usr/sbin/sshd -D -e -f " + dir + "/config", listens("tcp", port),
	}
}

// domainServices are the Active Directory domain, in this order since the file
// server joins it.
var domainServices = []service{
	{"resolver", "unbound", "chmod -R a+rX $S/resolver; chmod a+r $S/dns.example.net.key", "unbound -d -p -c $S/resolver/unbound.conf", "dig +short @192.0.2.53 www.example.com | grep 198.51.100.80"},
	{"dc1", "samba", `
		samba-tool domain provision --realm=` + realm + ` --domain=CORP --server-role=dc --dns-backend=SAMBA_INTERNAL \
			--adminpass='` + adminPassword + `' --host-name=dc1 --host-ip=10.20.0.10 --targetdir=$S/dc1/ad \
			--option='dns forwarder = 192.0.2.53' --option='ldap server require strong auth = no' \
			--option='interfaces = lo eth0' --option='bind interfaces only = yes' \
			--option='server services = -dnsupdate' --option='allow dns updates = disabled'
		samba-tool domain passwordsettings set --complexity=off --min-pwd-age=0 -s $S/dc1/ad/etc/smb.conf
		add() { samba-tool user create "$1" "$2" --given-name="$3" --surname="$4" --mail-address="$1@example.org" -s $S/dc1/ad/etc/smb.conf; }
		add m.ortiz '` + ortizPassword + `' Maria Ortiz
		add j.lind '` + lindPassword + `' Jonas Lind
		add a.kowal '` + kowalPassword + `' Anna Kowal
		samba-tool group addmembers 'Domain Admins' a.kowal -s $S/dc1/ad/etc/smb.conf
		sed -i 's/^.global.$/&\nldap server require strong auth = no/' $S/dc1/ad/etc/smb.conf`,
		"samba -F --no-process-group --debug-stdout -s $S/dc1/ad/etc/smb.conf", "dig +short @10.20.0.10 dc1.corp.example | grep 10.20.0.10; " + listens("tcp", "389") + "; " + listens("tcp", "445")},
	{"dc1", "names", `
		add() { samba-tool dns add dc1 corp.example "$1" "$2" "$3" -U 'Administrator%` + adminPassword + `' -s $S/dc1/ad/etc/smb.conf; }
		retry add db-2 A 10.20.0.32
		samba-tool spn add ldap/dc1.corp.example 'DC1$' -s $S/dc1/ad/etc/smb.conf
		add srv-web-1 A 10.20.0.40
		add srv-web-1 AAAA 2001:db8:20::40
		add intranet CNAME srv-web-1.corp.example
		add sw-core-1 A 10.20.0.2
		add adm-ws-01 A 10.20.2.5
		add fin-lt-03 A 10.20.3.17
		add dev-ws-07 A 10.20.3.42
		add sensor-11 A 10.20.9.11`, "", ""},
	{"dc1", "dhcp", "", "dnsmasq -k -C $S/dc1/dnsmasq.conf", listens("udp", "67")},
	{"dc1", "chrony", "", "chronyd -d -x -f $S/dc1/chrony.conf", listens("udp", "123")},
	{"srv-file-1", "smbd", `
		mkdir -p $S/srv-file-1/{share,admin,private,state,cache,lock}
		printf 'Quarter,Amount\nQ1,1204\nQ2,1377\nQ3,998\n' >$S/srv-file-1/share/forecast.csv
		seq -f 'entry %g: paid' 400 >$S/srv-file-1/share/ledger-2024.txt
		chmod -R a+rwX $S/srv-file-1/share $S/srv-file-1/admin
		retry net ads join -U 'Administrator%` + adminPassword + `' --no-dns-updates -s $S/srv-file-1/smb.conf
		samba-tool dns add dc1.corp.example corp.example srv-file-1 A 10.20.0.20 -U 'Administrator%` + adminPassword + `' -s $S/srv-file-1/smb.conf`,
		"smbd -F --no-process-group --debug-stdout -s $S/srv-file-1/smb.conf", listens("tcp", "445")},
	{"srv-file-1", "winbindd", "", "winbindd -F --no-process-group --debug-stdout -s $S/srv-file-1/smb.conf", "wbinfo -t"},
	{"srv-file-1", "nmbd", "", "nmbd -F --no-process-group --debug-stdout -s $S/srv-file-1/smb.conf", listens("udp", "137")},
}

var webServices = []service{
	{"www", "nginx", "mkdir -p $S/www/root && echo '<html><title>Example</title><h1>Example shop</h1></html>' >$S/www/root/index.html", "nginx -c $S/www/nginx.conf", listens("tcp", "443")},
	{"www", "quic", "", "$S/record serve-http3 198.51.100.80:443 $S/www.example.com.crt $S/www.example.com.key", listens("udp", "443")},
	{"cdn-sync", "nginx", `mkdir -p $S/cdn-sync/root/updates
		(echo '#!/bin/sh'; head -c 2500 /dev/urandom | base64) >$S/cdn-sync/root/updates/sync-helper.sh
		echo '{"task":"none","sleep":5}' >$S/cdn-sync/root/checkin`, "nginx -c $S/cdn-sync/nginx.conf", listens("tcp", "8443")},
	{"srv-web-1", "nginx", `mkdir -p $S/srv-web-1/root
		echo '<html><title>Intranet</title><p>Lunch menu: soup</p></html>' >$S/srv-web-1/root/index.html
		echo "a.kowal:$(openssl passwd -apr1 '` + kowalPassword + `')" >$S/srv-web-1/htpasswd
		echo "m.ortiz:$(openssl passwd -apr1 '` + ortizPassword + `')" >>$S/srv-web-1/htpasswd`, "nginx -c $S/srv-web-1/nginx.conf", listens("tcp", "80")},
	{"mail", "dovecot", `useradd -r -M dovenull 2>/dev/null || true
		useradd -r -M dovecot 2>/dev/null || true
		mkdir -p /var/spool/postfix/private; chown postfix: /var/spool/postfix/private
		echo 'm.ortiz:{PLAIN}` + ortizPassword + `' >$S/mail/users`, "dovecot -F -c $S/mail/dovecot.conf", listens("tcp", "143")},
	{"mail", "postfix", `cp -r /etc/postfix $S/mail/postfix
		cp /usr/share/postfix/master.cf.dist $S/mail/postfix/master.cf
		cp $S/mail/main.cf $S/mail/postfix/main.cf
		mkdir -p $S/mail/data && chown postfix: $S/mail/data
		newaliases -C $S/mail/postfix/main.cf || true
		postfix -c $S/mail/postfix check`, "postfix -c $S/mail/postfix start-fg", listens("tcp", "25")},
}

var shellServices = []service{
	sshd("db-2", "0.0.0.0", "22", ""),
	sshd("srv-file-1", "0.0.0.0", "22", ""),
	sshd("srv-web-1", "0.0.0.0", "2222", ""),
	sshd("cdn-sync", "0.0.0.0", "443", "Banner none"),
	sshd("fin-lt-03", "127.0.0.1", "22", "PermitRootLogin yes"),
	{"fin-lt-03", "tools", `cd /root
		(seq -f 'backup201%g' 7; echo ` + "backup2019" + `) >words
		sed '1s,.*,#!/usr/bin/python3,' /usr/share/doc/python3-impacket/examples/psexec.py >psexec.py; chmod +x psexec.py
		head -c 8000 /dev/urandom >c.bin
		mkdir -p .ssh; printf 'StrictHostKeyChecking accept-new\nLogLevel ERROR\n' >.ssh/config
		echo '*:*:crm:jlind:` + lindPassword + `' >/home/svc-backup/.pgpass; chmod 600 /home/svc-backup/.pgpass; chown svc-backup: /home/svc-backup/.pgpass
		(printf MZ; head -c 3000 /dev/urandom) >svc.exe`, "", ""},
	{"sw-core-1", "dropbear", "dropbearkey -t ecdsa -f $S/sw-core-1/dropbear.key", "dropbear -F -E -r $S/sw-core-1/dropbear.key -p 22 -P $S/sw-core-1/dropbear.pid", listens("tcp", "22")},
	{"sw-core-1", "telnet", "", "$S/record inetd 0.0.0.0:23 /usr/sbin/telnetd -h", listens("tcp", "23")},
	{"srv-web-1", "vsftpd", `mkdir -p /var/run/vsftpd/empty; echo 'Scanner profile' >/home/a.kowal/profile.txt; chown a.kowal: /home/a.kowal/profile.txt
		echo /bin/bash >>/etc/shells`, "vsftpd $S/srv-web-1/vsftpd.conf", listens("tcp", "21")},
}

var dataServices = []service{
	{"db-2", "postgresql", `
		install -d -o postgres $S/db-2/pg /run/postgresql
		su postgres -c "/usr/lib/postgresql/15/bin/initdb -D $S/db-2/pg -A scram-sha-256 --pwfile=<(echo '` + adminPassword + `') -N >/dev/null"
		install -o postgres -m 600 $S/db-2.corp.example.key $S/db-2/pg/server.key
		install -o postgres -m 600 $S/db-2.corp.example.crt $S/db-2/pg/server.crt
		echo 'host all all 10.20.0.0/16 scram-sha-256' >>$S/db-2/pg/pg_hba.conf`,
		"su postgres -c \"exec /usr/lib/postgresql/15/bin/postgres -D $S/db-2/pg -c listen_addresses=0.0.0.0 -c ssl=on -c shared_buffers=8MB -c unix_socket_directories=$S/db-2/pg\"", listens("tcp", "5432")},
	{"db-2", "customers", `export PGPASSWORD='` + adminPassword + `'
		until psql -h $S/db-2/pg -U postgres -qc 'select 1' >/dev/null; do sleep 0.3; done
		psql -h $S/db-2/pg -U postgres -q <<-END
			create role jlind login password '` + lindPassword + `';
			create database crm owner jlind;
			\c crm
			create table customer (id int primary key, name text, city text);
			insert into customer select n, 'Customer ' || n, (array['Lund','Porto','Gdansk'])[1 + n % 3] from generate_series(1, 40) n;
			grant all on customer to jlind;
		END`, "", ""},
	{"db-2", "redis", "", "redis-server --bind 0.0.0.0 --port 6379 --save '' --requirepass '" + backupPassword + "' --dir $S/db-2", listens("tcp", "6379")},
	{"db-2", "mariadb", `install -d -o mysql $S/db-2/my
		mariadb-install-db --user=mysql --datadir=$S/db-2/my --skip-test-db --skip-name-resolve >/dev/null
		cat >$S/db-2/my.sql <<-END
			create database shop;
			create table shop.orders (id int primary key, item varchar(20));
			insert into shop.orders values (1, 'lamp'), (2, 'chair');
			create user 'shopapp'@'%' identified by '` + backupPassword + `';
			grant all on shop.* to 'shopapp'@'%';
		END`,
		"mariadbd --no-defaults --user=mysql --datadir=$S/db-2/my --socket=$S/db-2/my/sock --bind-address=0.0.0.0 --port=3306 --skip-name-resolve --innodb-buffer-pool-size=16M --pid-file=$S/db-2/my/pid", "mariadb -S $S/db-2/my/sock <$S/db-2/my.sql"},
	{"srv-web-1", "mosquitto", "", "mosquitto -c $S/srv-web-1/mosquitto.conf", listens("tcp", "1883")},
}

var networkServices = []service{
	{"sw-core-1", "snmpd", "", "snmpd -f -LE 3 -C -c $S/sw-core-1/snmpd.conf -p $S/sw-core-1/snmpd.pid udp:161", listens("udp", "161")},
	{"srv-web-1", "syslog", "", "socat -u UDP-RECVFROM:514,fork OPEN:$S/srv-web-1/messages,creat,append", listens("udp", "514")},
	{"srv-web-1", "tftp", "mkdir -p $S/srv-web-1/tftp && printf 'hostname sw-core-1\\nvlan 20\\nsnmp-server community lab-ro\\n' >$S/srv-web-1/tftp/sw-core-1.cfg && chmod -R a+rX $S/srv-web-1/tftp", "in.tftpd -L -s --address 0.0.0.0:69 $S/srv-web-1/tftp", listens("udp", "69")},
	{"srv-web-1", "mdns", "", "avahi-daemon -f $S/srv-web-1/avahi.conf --no-drop-root --no-chroot --no-proc-title", listens("udp", "5353")},
	{"resolver", "chrony", "", "chronyd -d -x -f $S/resolver/chrony.conf", listens("udp", "123")},
	{"www", "git", "git init -q --bare $S/www/shop.git && git clone -q $S/www/shop.git $S/www/work && cd $S/www/work && git config user.email j.lind@example.org && git config user.name 'Jonas Lind' && echo 'print(1)' >main.py && git add . && git commit -qm 'Start' && git push -q origin HEAD && git config --global --add safe.directory '*'", "git daemon --reuseaddr --export-all --base-path=$S/www --listen=198.51.100.80", listens("tcp", "9418")},
	{"srv-web-1", "rsync", "", "rsync --daemon --no-detach --config=$S/srv-web-1/rsyncd.conf", listens("tcp", "873")},
	{"vpn", "socks", "", "microsocks -i 192.0.2.77 -p 1080 -u relay -P '" + backupPassword + "'", listens("tcp", "1080")},
	{"sensor-11", "coap", "", "coap-server-notls -A 10.20.9.11 -v 3", listens("udp", "5683")},
	{"sensor-11", "modbus", "", "/usr/bin/python3 $S/sensor-11/modbus.py", listens("tcp", "502")},
	{"srv-web-1", "sip", "", "sipp -sn uas -i 10.20.0.40 -p 5060 -nostdin", listens("udp", "5060")},
	{"srv-web-1", "krb5kdc", `cd $S/srv-web-1/kdc
		export KRB5_CONFIG=$S/srv-web-1/kdc/krb5.conf KRB5_KDC_PROFILE=$S/srv-web-1/kdc/kdc.conf
		kdb5_util create -s -r LAB.EXAMPLE -P '` + adminPassword + `' >/dev/null
		kadmin.local -q "addprinc -pw ` + ortizPassword + ` +requires_preauth m.ortiz" >/dev/null
		kadmin.local -q "addprinc -pw ` + lindPassword + ` -requires_preauth j.lind" >/dev/null
		kadmin.local -q 'addprinc -randkey HTTP/intranet.corp.example' >/dev/null`,
		"env KRB5_CONFIG=$S/srv-web-1/kdc/krb5.conf KRB5_KDC_PROFILE=$S/srv-web-1/kdc/kdc.conf krb5kdc -n", listens("udp", "88")},
	{"srv-web-1", "slapd", "mkdir -p $S/srv-web-1/ldap && slapadd -f $S/srv-web-1/slapd.conf -l $S/srv-web-1/people.ldif", "slapd -d 0 -h 'ldap://10.20.0.40' -f $S/srv-web-1/slapd.conf", listens("tcp", "389")},
}

// tunnelServices are the far ends of VPNs and the overlay networks.
var tunnelServices = []service{
	{"vpn", "wireguard", "wg genkey >$S/vpn/wg.key; wg genkey >$S/dev-ws-07/wg.key", "wireguard-go -f tyto-wgs", "wg show tyto-wgs"},
	{"vpn", "wireguard-peer", `
		wg set tyto-wgs listen-port 51820 private-key $S/vpn/wg.key peer $(wg pubkey <$S/dev-ws-07/wg.key) allowed-ips 172.16.9.2/32
		ip addr add 172.16.9.1/24 dev tyto-wgs; ip link set tyto-wgs up mtu 1420`, "", ""},
	{"dev-ws-07", "wireguard", "", "wireguard-go -f tyto-wgc", "wg show tyto-wgc"},
	{"vpn", "openvpn", "mkdir -p /dev/net; test -c /dev/net/tun", `openvpn --dev tun7 --port 1194 --proto udp --server 172.16.8.0 255.255.255.0 --topology subnet --ca $S/ca.crt --cert $S/vpn.example.net.crt --key $S/vpn.example.net.key --dh none --tls-server --verb 1`, listens("udp", "1194")},
	{"vpn", "branch", "mkdir -p $S/vpn/root && echo 'branch stock: 40 lamps' >$S/vpn/root/stock.txt", "nginx -c $S/vpn/nginx.conf", listens("tcp", "80")},
	{"srv-web-1", "vxlan", "ip link add vx5 type vxlan id 5 remote 10.20.0.32 local 10.20.0.40 dstport 4789 && ip addr add 172.16.5.1/24 dev vx5 && ip link set vx5 up", "", ""},
	{"db-2", "vxlan", "ip link add vx5 type vxlan id 5 remote 10.20.0.40 local 10.20.0.32 dstport 4789 && ip addr add 172.16.5.2/24 dev vx5 && ip link set vx5 up", "", ""},
	{"srv-web-1", "overlay-dns", "", "dnsmasq -k -C $S/srv-web-1/overlay.conf", listens("udp", "53")},
	{"vpn", "gre", "", "$S/record gre gre1 192.0.2.77 10.20.2.5 172.16.6.1/24", "ip addr show gre1 | grep 172.16.6.1"},
	{"adm-ws-01", "gre", "", "$S/record gre gre1 10.20.2.5 192.0.2.77 172.16.6.2/24", "ip addr show gre1 | grep 172.16.6.2"},
}

// configurations writes the configuration files of all servers.
func (l *lab) configurations() error {
	var zone strings.Builder
	for _, n := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&zone, "local-data: \"%s. 300 IN A %s\"\n", n, names[n])
	}
	zone.WriteString("local-data: \"www.example.com. 300 IN AAAA 2001:db8:80::80\"\n")
	zone.WriteString("local-data: \"example.org. 300 IN MX 10 mail.example.org.\"\n")
	zone.WriteString("local-data: \"" + reverse("203.0.113.9") + ". 300 IN PTR host-9.cloud.example.net.\"\n")
	web := func(host, servers string) string {
		return "daemon off; user root; worker_processes 1; pid " + stateDir + "/" + host + "/nginx.pid; error_log stderr;\n" +
			"events { worker_connections 64; }\nhttp { access_log off; default_type text/html; server_tokens on;\n" +
			"client_body_temp_path " + stateDir + "/" + host + "/body;\n" + strings.ReplaceAll(servers, "$S", stateDir) + "\n}"
	}
	for _, c := range []struct{ host, name, text string }{
		{"resolver", "unbound.conf", `
			server:
			interface: 192.0.2.53@53
			interface: 192.0.2.53@853
			interface: 192.0.2.53@443
			access-control: 0.0.0.0/0 allow
			tls-service-key: /run/lab/dns.example.net.key
			tls-service-pem: /run/lab/dns.example.net.crt
			username: ""
			chroot: ""
			directory: "/run/lab/resolver"
			pidfile: ""
			use-syslog: no
			do-daemonize: no
			module-config: "iterator"
			local-zone: "." static
			` + zone.String() + `
			remote-control:
			control-enable: no`},
		{"resolver", "chrony.conf", "local stratum 2\nallow all\ncmdport 0\npidfile /run/lab/resolver/chrony.pid\nbindcmdaddress /run/lab/resolver/chrony.sock"},
		{"dc1", "chrony.conf", "server 192.0.2.53 iburst maxpoll 5\nlocal stratum 8\nallow all\ncmdport 0\npidfile /run/lab/dc1/chrony.pid\nbindcmdaddress /run/lab/dc1/chrony.sock"},
		{"dc1", "dnsmasq.conf", `
			port=0
			interface=eth0
			dhcp-range=10.20.3.10,10.20.3.99,255.255.0.0,1h
			dhcp-option=option:router,10.20.0.1
			dhcp-option=option:dns-server,10.20.0.10
			dhcp-option=option:ntp-server,10.20.0.10
			dhcp-option=option:domain-name,corp.example
			dhcp-host=02:20:00:00:03:17,10.20.3.17
			dhcp-host=02:20:00:00:03:42,10.20.3.42
			dhcp-leasefile=/run/lab/dc1/leases
			dhcp-authoritative
			user=root`},
		{"srv-file-1", "smb.conf", `
			[global]
			workgroup = CORP
			realm = ` + realm + `
			security = ADS
			netbios name = SRV-FILE-1
			server string = Files
			server role = member server
			kerberos method = secrets and keytab
			dedicated keytab file = /run/lab/srv-file-1/krb5.keytab
			private dir = /run/lab/srv-file-1/private
			state directory = /run/lab/srv-file-1/state
			cache directory = /run/lab/srv-file-1/cache
			lock directory = /run/lab/srv-file-1/lock
			username map = /run/lab/srv-file-1/users.map
			idmap config * : backend = tdb
			idmap config * : range = 20000-29999
			interfaces = lo eth0
			bind interfaces only = yes
			load printers = no
			disable spoolss = yes
			log level = 1
			[finance]
			path = /run/lab/srv-file-1/share
			read only = no
			force user = root
			[admin$]
			path = /run/lab/srv-file-1/admin
			read only = no
			force user = root`},
		{"srv-file-1", "users.map", `!m.ortiz = CORP\m.ortiz` + "\n" + `!j.lind = CORP\j.lind` + "\n" + `!a.kowal = CORP\a.kowal`},
		{"www", "nginx.conf", web("www", `
			server { listen 80; listen [::]:80; server_name www.example.com; root $S/www/root; location /old { return 301 https://www.example.com/; } }
			server { listen 443 ssl http2; server_name www.example.com; root $S/www/root;
				ssl_certificate $S/www.example.com.crt; ssl_certificate_key $S/www.example.com.key; ssl_protocols TLSv1.2 TLSv1.3;
				location /stock { return 200 "lamp 4\nchair 9\n"; }
				add_header Alt-Svc 'h3=":443"'; }
			server { listen 198.51.100.81:443 ssl; server_name partner.example.net; root $S/www/root;
				ssl_certificate $S/partner.example.net.crt; ssl_certificate_key $S/partner.example.net.key; ssl_protocols TLSv1.2; }
			server { listen 8081 http2; root $S/www/root; }`)},
		{"cdn-sync", "nginx.conf", web("cdn-sync", `
			server { listen 80; server_name cdn-sync.example; root $S/cdn-sync/root; default_type application/x-sh; }
			server { listen 8443 ssl; server_name api.cdn-sync.example; root $S/cdn-sync/root;
				ssl_certificate $S/api.cdn-sync.example.crt; ssl_certificate_key $S/api.cdn-sync.example.key;
				error_page 405 =200 $uri;
				location / { try_files /checkin =404; } }`)},
		{"srv-web-1", "nginx.conf", web("srv-web-1", `
			server { listen 80; listen [::]:80; server_name intranet.corp.example; root $S/srv-web-1/root;
				location /admin { auth_basic "Intranet administration"; auth_basic_user_file $S/srv-web-1/htpasswd; alias $S/srv-web-1/root/; } }
			server { listen 9443 ssl; server_name nas.local; root $S/srv-web-1/root; ssl_certificate $S/nas.crt; ssl_certificate_key $S/nas.key; }
			server { listen 443 ssl; server_name intranet.corp.example; root $S/srv-web-1/root; ssl_client_certificate $S/ca.crt; ssl_verify_client optional;
				ssl_certificate $S/intranet.corp.example.crt; ssl_certificate_key $S/intranet.corp.example.key; ssl_protocols TLSv1.2; }`)},
		{"vpn", "nginx.conf", web("vpn", `server { listen 80; root $S/vpn/root; }`)},
		{"mail", "dovecot.conf", `
			base_dir = /run/dovecot
			protocols = imap pop3
			listen = 198.51.100.25
			ssl = yes
			ssl_cert = </run/lab/mail.example.org.crt
			ssl_key = </run/lab/mail.example.org.key
			disable_plaintext_auth = no
			log_path = /run/lab/mail/dovecot.log
			mail_location = maildir:/home/%u/Maildir
			first_valid_uid = 1
			passdb {
			driver = passwd-file
			args = /run/lab/mail/users
			}
			userdb {
			driver = passwd
			}
			service auth {
			unix_listener /var/spool/postfix/private/auth {
			mode = 0666
			}
			}`},
		{"mail", "main.cf", `
			compatibility_level = 3.6
			myhostname = mail.example.org
			mydomain = example.org
			mydestination = example.org
			mynetworks = 127.0.0.0/8
			inet_interfaces = 198.51.100.25
			inet_protocols = ipv4
			queue_directory = /var/spool/postfix
			data_directory = /run/lab/mail/data
			command_directory = /usr/sbin
			daemon_directory = /usr/lib/postfix/sbin
			mail_owner = postfix
			setgid_group = postdrop
			alias_maps =
			local_recipient_maps =
			home_mailbox = Maildir/
			maillog_file = /dev/stdout
			smtpd_tls_cert_file = /run/lab/mail.example.org.crt
			smtpd_tls_key_file = /run/lab/mail.example.org.key
			smtpd_tls_security_level = may
			smtpd_sasl_auth_enable = yes
			smtpd_sasl_type = dovecot
			smtpd_sasl_path = private/auth
			smtpd_tls_auth_only = no`},
		{"srv-web-1", "vsftpd.conf", "listen=YES\nlocal_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\nseccomp_sandbox=NO\nsecure_chroot_dir=/var/run/vsftpd/empty\nbackground=NO\nftpd_banner=Office file drop\npam_service_name=vsftpd\nsession_support=NO"},
		{"srv-web-1", "mosquitto.conf", "listener 1883 10.20.0.40\nallow_anonymous false\npassword_file /run/lab/srv-web-1/mosquitto.users\nuser root\npersistence false\nlog_dest stderr"},
		{"srv-web-1", "avahi.conf", "[server]\nhost-name=srv-web-1\nuse-ipv6=no\nenable-dbus=no\nallow-interfaces=eth0\n[publish]\npublish-workstation=yes\n[wide-area]\nenable-wide-area=no"},
		{"srv-web-1", "rsyncd.conf", "use chroot = no\n[drop]\npath = /run/lab/srv-web-1/root\nread only = yes\nauth users = backup\nsecrets file = /run/lab/srv-web-1/rsyncd.secrets\nstrict modes = no"},
		{"srv-web-1", "rsyncd.secrets", "backup:" + backupPassword},
		{"srv-web-1", "overlay.conf", "interface=vx5\nbind-interfaces\nno-resolv\nno-hosts\naddress=/pod-7.cluster.example/172.16.5.2\nuser=root\npid-file="},
		{"srv-web-1", "kdc/krb5.conf", "[libdefaults]\ndefault_realm = LAB.EXAMPLE\ndns_lookup_kdc = false\nrdns = false\n[realms]\nLAB.EXAMPLE = {\nkdc = 10.20.0.40\n}"},
		{"srv-web-1", "kdc/kdc.conf", "[kdcdefaults]\nkdc_ports = 88\nkdc_tcp_ports = 88\n[realms]\nLAB.EXAMPLE = {\ndatabase_name = /run/lab/srv-web-1/kdc/principal\nkey_stash_file = /run/lab/srv-web-1/kdc/stash\nacl_file = /dev/null\n}\n[logging]\nkdc = STDERR"},
		{"srv-web-1", "slapd.conf", `
			include /etc/ldap/schema/core.schema
			include /etc/ldap/schema/cosine.schema
			include /etc/ldap/schema/inetorgperson.schema
			modulepath /usr/lib/ldap
			moduleload back_mdb
			TLSCACertificateFile /run/lab/ca.crt
			TLSCertificateFile /run/lab/intranet.corp.example.crt
			TLSCertificateKeyFile /run/lab/intranet.corp.example.key
			database mdb
			suffix "dc=lab,dc=example"
			rootdn "cn=admin,dc=lab,dc=example"
			rootpw ` + adminPassword + `
			directory /run/lab/srv-web-1/ldap`},
		{"srv-web-1", "people.ldif", `
			dn: dc=lab,dc=example
			objectClass: dcObject
			objectClass: organization
			dc: lab
			o: Lab

			dn: cn=Maria Ortiz,dc=lab,dc=example
			objectClass: inetOrgPerson
			cn: Maria Ortiz
			sn: Ortiz
			uid: m.ortiz
			mail: m.ortiz@example.org
			userPassword: ` + ortizPassword},
		{"sw-core-1", "snmpd.conf", "rocommunity lab-ro\nsysName sw-core-1\nsysLocation Rack 2\nsysDescr Core switch of the lab\ncreateUser monitor SHA " + kowalPassword + " AES " + kowalPassword + "\nrouser monitor priv"},
		{"sensor-11", "modbus.py", `
			from pymodbus.server import StartTcpServer
			from pymodbus.datastore import ModbusSequentialDataBlock, ModbusSlaveContext, ModbusServerContext
			block = ModbusSequentialDataBlock(0, list(range(100, 150)))
			StartTcpServer(context=ModbusServerContext(slaves=ModbusSlaveContext(hr=block, ir=block, co=block, di=block), single=True), address=("10.20.9.11", 502))`},
	} {
		if err := config(c.host, c.name, c.text); err != nil {
			return err
		}
	}
	if err := output(l.commandHere("mosquitto_passwd", "-b", "-c", stateDir+"/srv-web-1/mosquitto.users", "sensor-11", backupPassword)); err != nil {
		return fmt.Errorf("make mosquitto's users: %w", err)
	}
	return nil
}
