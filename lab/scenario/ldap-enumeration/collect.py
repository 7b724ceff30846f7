"""Collects what a directory holds: ldapsearch for each question, or ldap3 with one connection. The argument is JSON."""
import json
import re
import ssl
import subprocess
import sys
import time

import lab_ad

want = json.loads(sys.argv[1])
tls = want["security"] == "tls"
configuration = "CN=Configuration," + want["base"]
members = ["sAMAccountName", "objectSid", "memberOf", "primaryGroupID", "userAccountControl", "adminCount"]
weak = [
    ("accounts with service names", want["base"], "(&(samAccountType=805306368)(servicePrincipalName=*)(!(sAMAccountName=krbtgt)))", members + ["servicePrincipalName", "pwdLastSet"]),
    ("accounts without pre-authentication", want["base"], "(userAccountControl:1.2.840.113556.1.4.803:=4194304)", members),
    ("accounts trusted for delegation", want["base"], "(userAccountControl:1.2.840.113556.1.4.803:=524288)", members + ["msDS-AllowedToDelegateTo"]),
    ("administrators", want["base"], "(adminCount=1)", members),
]
accounts = [
    ("users", want["base"], "(samAccountType=805306368)", members + ["servicePrincipalName", "displayName", "mail", "title", "description", "lastLogonTimestamp", "pwdLastSet", "whenCreated"]),
    ("groups", want["base"], "(objectCategory=group)", members + ["member", "description"]),
]
places = [
    ("computers", want["base"], "(objectCategory=computer)", members + ["dNSHostName", "operatingSystem", "operatingSystemVersion", "servicePrincipalName", "lastLogonTimestamp"]),
    ("trusts", want["base"], "(objectClass=trustedDomain)", ["*"]),
    ("policies", want["base"], "(objectCategory=groupPolicyContainer)", ["displayName", "gPCFileSysPath", "versionNumber"]),
    ("units", want["base"], "(|(objectCategory=organizationalUnit)(objectClass=domain))", ["name", "gPLink", "gPOptions", "description"]),
    ("containers", want["base"], "(objectClass=container)", ["name"]),
    ("schema names", configuration, "(objectCategory=subnet)", ["name", "siteObject"]),
    ("controllers", want["base"], "(primaryGroupID=516)", members + ["dNSHostName"]),
]
questions = {"weak": weak, "accounts": accounts, "all": accounts + places + weak}[want["collect"]]


def wanted(attributes):
    return attributes + (["nTSecurityDescriptor"] if want["lists"] else [])


def found(names):
    for name in names:
        print("found %s" % name)


def openldap(base, query, attributes):
    """Asks with ldapsearch, in a connection of its own, and returns the names and the size of the answer."""
    url = "%s://%s" % ("ldaps" if tls else "ldap", want["server"])
    login = ["-Y", "GSSAPI", "-Q"] if want["security"] == "gssapi" else ["-x", "-D", want["user"], "-w", want["password"]]
    start = ["-ZZ"] if want["security"] == "starttls" else []
    lists = ["-E", "!1.2.840.113556.1.4.801=::MAMCAQc="] if want["lists"] else []
    done = subprocess.run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-H", url, *start, *login, "-E", "pr=%d/noprompt" % want["page"], *lists,
                           "-b", base, query, *wanted(attributes)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return re.findall(r"^sAMAccountName: (.*)$", done.stdout, re.M), len(done.stdout)


def with_openldap():
    for what, base, query, attributes in questions:
        since = time.time_ns()
        names, size = openldap(base, query, attributes)
        lab_ad.tell(lab_ad.came(size), since, lab_ad.service(want["server"], 636 if tls else 389), what)
        found(names)
        lab_ad.pause(float(want["pause"]))


def connect():
    import ldap3
    checked = ldap3.Tls(validate=ssl.CERT_NONE)
    server = ldap3.Server(want["server"], use_ssl=tls, tls=checked, get_info=ldap3.ALL)
    c = ldap3.Connection(server, user=want["user"], password=want["password"], collect_usage=True)
    since = time.time_ns()
    c.open(read_server_info=False)
    if want["security"] == "starttls" and not c.start_tls(read_server_info=False):
        sys.exit("no TLS")
    if not c.bind(read_server_info=False):
        sys.exit("bind: %s" % c.result)
    lab_ad.tell("handshake", since, c.socket, "bind as " + want["user"])
    before, since = c.usage.bytes_received, time.time_ns()
    server.get_info_from_server(c)
    lab_ad.tell(lab_ad.came(c.usage.bytes_received - before), since, c.socket, "what the server is, and its schema")
    return c


def with_ldap3():
    from ldap3.protocol.microsoft import security_descriptor_control
    c = connect()
    for what, base, query, attributes in questions:
        before, since = c.usage.bytes_received, time.time_ns()
        answer = list(c.extend.standard.paged_search(base, query, attributes=wanted(attributes), paged_size=want["page"],
                                                     controls=security_descriptor_control(sdflags=7) if want["lists"] else None))
        lab_ad.tell(lab_ad.came(c.usage.bytes_received - before), since, c.socket, what)
        names = [e["attributes"].get("sAMAccountName") for e in answer if "attributes" in e]
        found(n if isinstance(n, str) else n[0] for n in names if n)
        since = time.time_ns()
        lab_ad.pause(float(want["pause"]))
        lab_ad.tell("idle", since, c.socket, "")
    c.unbind()


with_openldap() if want["tool"] == "openldap" else with_ldap3()
