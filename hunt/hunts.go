package hunt

// Hunt is a question that is worth asking on any network.
type Hunt struct {
	Name       string
	Title      string
	Doc        string // what an answer may mean, and what is harmless
	Techniques []string
	Query      string
}

// Hunts returns the hunts that come with tyto, in the order of their names.
//
// To add one: 1. put it here; 2. write testdata/hunts/NAME.txt with records of
// which it finds some and not others.
func Hunts() []Hunt {
	return []Hunt{
		{
			Name: "admin-from-new-device", Title: "Administration from a host that never did it",
			Doc:        "Remote service, task, registry or directory replication calls by a host for the first time in two weeks. A new administrator's machine looks the same: ask who owns it.",
			Techniques: []string{"T1021.002", "T1569.002"},
			Query:      "dce_rpc where endpoint in (svcctl, atsvc, winreg, drsuapi, ITaskSchedulerService) | new id.orig_h, endpoint within 14d | first by id.orig_h, endpoint, id.resp_h | fields ts, id.orig_h, id.resp_h, endpoint, operation, uid",
		},
		{
			Name: "beacon-candidates", Title: "Sessions that come back at an even rhythm",
			Doc:        "Pairs of hosts with many sessions whose sizes hardly differ, by how even the sizes are. Update checks and monitoring do this too; look at rare domains first.",
			Techniques: []string{"T1071.001", "T1573"},
			Query:      "session where local_orig = true and local_resp = false and resp_pkts > 0 | stats count() as sessions, mean(orig_bytes) as mean, spread(orig_bytes) as spread, max(domain) as domain, max(ts) as latest by id.orig_h, id.resp_h, id.resp_p | where sessions >= 20 and spread < 0.05 * mean + 8 | sort sessions desc | limit 50",
		},
		{
			Name: "certificate-self-signed", Title: "TLS to outside servers with a certificate of their own making",
			Doc:        "Self-signed certificates outside the network: appliances, but also most command-and-control servers.",
			Techniques: []string{"T1573.002"},
			Query:      "session where local_resp = false | with tls where exists issuer and issuer = (subject) | stats count() as sessions, distinct(id.orig_h) as hosts, values(tls.subject) as subjects by id.resp_h, id.resp_p | sort hosts, sessions | limit 50",
		},
		{
			Name: "cleartext-credentials", Title: "Passwords that cross the network in the clear",
			Doc:        "HTTP logins whose account is readable, and that were not refused. Whoever listens has the password too.",
			Techniques: []string{"T1040"},
			Query:      "http where exists username and status_code < 400 | stats count() as requests, values(username) as accounts, distinct(id.orig_h) as hosts by id.resp_h, id.resp_p | sort requests desc",
		},
		{
			Name: "dcsync", Title: "Directory replication asked for by a host that is no domain controller",
			Doc:        "DRSGetNCChanges hands out the secrets of all accounts. Only domain controllers call it, and directory synchronisation services.",
			Techniques: []string{"T1003.006"},
			Query:      "dce_rpc where endpoint = drsuapi and operation in (DRSGetNCChanges, DRSReplicaAdd) | stats count() as calls, min(ts) as since, max(ts) as latest by id.orig_h, id.resp_h | sort calls",
		},
		{
			Name: "dns-answers-nothing", Title: "Hosts whose lookups find nothing",
			Doc:        "Many names that do not exist, asked for by one host: malware that tries generated domains, or a wrong search suffix (then the names end alike).",
			Techniques: []string{"T1568.002"},
			Query:      "dns where rcode_name = NXDOMAIN | stats count() as lookups, distinct(query) as names, values(query) as examples by id.orig_h | where names >= 20 | sort names desc",
		},
		{
			Name: "dns-long-names", Title: "Long names under one domain: data in DNS",
			Doc:        "Many different long names below one domain are data on their way out, or a tunnel. Some antivirus and content networks look up hashes the same way.",
			Techniques: []string{"T1071.004", "T1048"},
			Query:      "dns where length(query) > 50 | extend item(query, \".\", -2) as zone, item(query, \".\", -1) as tld, length(query) as letters | stats count() as lookups, distinct(query) as names, mean(letters) as mean_length, values(qtype_name) as types by id.orig_h, zone, tld | where names >= 10 | sort names desc",
		},
		{
			Name: "domains-new", Title: "Domains that were reached for the first time",
			Doc:        "Names that no host had reached before the last day, with who did. Sort out the well-known; what is left is short.",
			Techniques: []string{"T1071.001"},
			Query:      "session where exists domain and local_orig = true | new domain within 1d | stats count() as sessions, distinct(id.orig_h) as hosts, values(id.orig_h) as who, min(ts) as since by domain | sort hosts, sessions desc | limit 100",
		},
		{
			Name: "fingerprint-rare", Title: "TLS clients that few hosts have",
			Doc:        "Client fingerprints (JA4) that are seen from one host only: odd software, or an implant with a TLS library of its own.",
			Techniques: []string{"T1071.001"},
			Query:      "tls where exists ja4 | stats count() as sessions, distinct(id.orig_h) as hosts, max(id.orig_h) as who, max(server_name) as server by ja4 | where hosts = 1 | sort sessions | limit 50",
		},
		{
			Name: "inside-scan", Title: "Hosts that knock at many doors",
			Doc:        "Hosts with attempts that nobody answered to many addresses or ports inside. Inventory scanners do it too, and always the same ones.",
			Techniques: []string{"T1046"},
			Query:      "session where conn_state in (S0, REJ, RSTOS0) and local_resp = true | stats count() as attempts, distinct(id.resp_h) as hosts, distinct(id.resp_p) as ports, min(ts) as since, max(ts) as latest by id.orig_h | where hosts >= 20 or ports >= 50 | sort attempts desc",
		},
		{
			Name: "kerberoast", Title: "Service tickets with weak encryption",
			Doc:        "Tickets for services with RC4, which can be guessed at offline; many different services from one host are an attack, one is an old service.",
			Techniques: []string{"T1558.003"},
			Query:      "kerberos where request_type = TGS and cipher contains rc4 and success = true | stats count() as tickets, distinct(service) as services, values(service) as names, values(client) as clients by id.orig_h | sort services desc",
		},
		{
			Name: "kerberos-guessing", Title: "Many accounts that fail from one host",
			Doc:        "Kerberos errors for many different accounts: someone tries a password on all of them, or looks which exist.",
			Techniques: []string{"T1110.003", "T1087.002"},
			Query:      "kerberos where success = false and request_type = AS and error_msg != KDC_ERR_PREAUTH_REQUIRED | stats count() as failures, distinct(client) as accounts, values(error_msg) as errors, min(ts) as since by id.orig_h | where accounts >= 5 | sort accounts desc",
		},
		{
			Name: "lateral-ssh", Title: "SSH in, then SSH on",
			Doc:        "A host that is logged into by SSH and within ten minutes logs into another by SSH: jump hosts do it daily, workstations do not.",
			Techniques: []string{"T1021.004"},
			Query:      "ssh where auth_success = true | then ssh where auth_success = true on id.resp_h = id.orig_h within 10m | stats count() as times, min(ts) as since by id.orig_h, id.resp_h, ssh.id.resp_h | sort times",
		},
		{
			Name: "ldap-enumeration", Title: "Searches that list the directory",
			Doc:        "LDAP searches with very many results or for everything there is: tools that map a domain do this in minutes. So do address books, once.",
			Techniques: []string{"T1087.002", "T1069.002"},
			Query:      "ldap_search where result_count > 500 or filter contains samaccounttype or filter contains serviceprincipalname or filter = \"(objectClass=*)\" and scope != base | stats count() as searches, sum(result_count) as entries, values(filter) as filters by id.orig_h, id.resp_h | sort entries desc",
		},
		{
			Name: "long-sessions", Title: "Sessions to the outside that stay open",
			Doc:        "Encrypted sessions of hours to servers outside: tunnels and remote control, but also push services.",
			Techniques: []string{"T1572", "T1219"},
			Query:      "session where local_orig = true and local_resp = false and duration > 2h and proto = tcp | stats max(duration) as longest, count() as sessions, values(app) as apps, values(domain) as domains by id.orig_h, id.resp_h, id.resp_p | sort longest desc | limit 50",
		},
		{
			Name: "no-name", Title: "Sessions to the outside that no lookup explains",
			Doc:        "Servers outside whose name is told neither by the session nor by any lookup before it. Peer-to-peer, and addresses written into programs.",
			Techniques: []string{"T1071", "T1095"},
			Query:      "session where local_orig = true and local_resp = false and not exists domain and resp_bytes > 0 and app != ntp | stats count() as sessions, sum(orig_bytes) as sent, max(app) as app by id.orig_h, id.resp_h, id.resp_p | sort sent desc | limit 50",
		},
		{
			Name: "odd-port", Title: "Protocols on ports that are not theirs",
			Doc:        "SSH that is not on 22, TLS that is not on its usual ports, HTTP on high ports: often harmless, and where hiding starts.",
			Techniques: []string{"T1571"},
			Query:      "session where app = ssh and id.resp_p != 22 or app in (tls, http) and id.resp_p > 1024 and not id.resp_p in (8080, 8443) | stats count() as sessions, distinct(id.orig_h) as hosts, sum(orig_bytes) as sent by app, id.resp_h, id.resp_p | sort hosts, sessions | limit 50",
		},
		{
			Name: "rdp-inside", Title: "Remote desktops that are opened for the first time",
			Doc:        "Pairs of hosts with a remote desktop session in the last day and none before.",
			Techniques: []string{"T1021.001"},
			Query:      "rdp | new id.orig_h, id.resp_h within 1d | stats count() as sessions, values(cookie) as accounts, min(ts) as since by id.orig_h, id.resp_h | sort since",
		},
		{
			Name: "remote-execution", Title: "A program is copied and then started over SMB",
			Doc:        "A file is written to a share, and within five minutes a service or task is made on the same server from the same host.",
			Techniques: []string{"T1021.002", "T1569.002", "T1570"},
			Query:      "smb_files where created = true or action contains WRITE | then dce_rpc where endpoint in (svcctl, atsvc, ITaskSchedulerService) and operation in (*Create*, *Register*, NetrJobAdd) on id.orig_h, id.resp_h within 5m | stats count() as times, values(name) as files, values(dce_rpc.operation) as calls, min(ts) as since by id.orig_h, id.resp_h | sort since",
		},
		{
			Name: "role-breach", Title: "Workstations that serve",
			Doc:        "Devices that are workstations by what they do, and are talked to by other devices inside.",
			Techniques: []string{"T1021"},
			Query:      "devices where role = workstation | to services via offers | from devices via offers | fields id, name, role, users, addrs",
		},
		{
			Name: "servers-talk-out", Title: "Servers that begin sessions to the outside",
			Doc:        "Devices whose role is a server, with their first contacts to domains in the last week. Updates are to be expected and always the same.",
			Techniques: []string{"T1071.001"},
			Query:      "devices where role in (server, *-server, domain-controller) | to domains via reached, resolved where ts > -7d | fields ts, name, last_seen, count",
		},
		{
			Name: "ssh-guessing", Title: "Passwords guessed over SSH, and then one was right",
			Doc:        "Failed SSH logins from a host, with a login that succeeded within an hour after.",
			Techniques: []string{"T1110.001"},
			Query:      "ssh where auth_success = false | then ssh where auth_success = true on id.orig_h, id.resp_h within 1h | stats count() as pairs, max(auth_attempts) as attempts, min(ts) as since, max(ssh.ts) as succeeded by id.orig_h, id.resp_h | sort pairs desc",
		},
		{
			Name: "upload-large", Title: "Much sent out, little fetched",
			Doc:        "Hosts that sent over 100 MB to one server outside and got little back. Backups and meetings look like this.",
			Techniques: []string{"T1048", "T1567"},
			Query:      "session where local_orig = true and local_resp = false | stats sum(orig_bytes) as sent, sum(resp_bytes) as got, count() as sessions, max(domain) as domain, min(ts) as since by id.orig_h, id.resp_h | where sent > 100MB and sent > 10 * got | sort sent desc",
		},
		{
			Name: "user-many-hosts", Title: "Accounts that are used from many hosts",
			Doc:        "Accounts with Kerberos tickets asked for from many addresses: administrators and services, or someone who has their password.",
			Techniques: []string{"T1078"},
			Query:      "kerberos where success = true and request_type = AS and exists client and not client contains \"$\" | stats distinct(id.orig_h) as hosts, count() as tickets, values(id.orig_h) as from_hosts by client | where hosts >= 3 | sort hosts desc",
		},
		{
			Name: "weak-tls", Title: "Old TLS versions that still answer",
			Doc:        "Servers that agree to SSL 3, TLS 1.0 or TLS 1.1.",
			Techniques: []string{"T1040"},
			Query:      "tls where established = true and version in (SSLv3, TLSv10, TLSv11) | stats count() as sessions, distinct(id.orig_h) as clients, values(version) as versions by id.resp_h, id.resp_p | sort clients desc",
		},
	}
}
