"""Looks people up in a directory: ldapsearch for each, or ldap3. The argument is JSON."""
import json
import ssl
import subprocess
import sys
import time

import lab_ad

want = json.loads(sys.argv[1])
wanted = ["displayName", "mail", "department", "telephoneNumber", "memberOf"]
tls = want["security"] == "tls"


def check(name, text):
    if "%s@" % name not in text:
        sys.exit("no mail of %s in %s" % (name, text))


def search(name):
    return "(&(objectCategory=person)(sAMAccountName=%s))" % name


def openldap(name):
    """Looks up with ldapsearch, in a connection of its own."""
    url = "%s://%s" % ("ldaps" if tls else "ldap", want["server"])
    login = ["-Y", "GSSAPI", "-Q"] if want["security"] == "gssapi" else ["-x", "-D", want["user"], "-w", want["password"]]
    start = ["-ZZ"] if want["security"] == "starttls" else []
    since = time.time_ns()
    done = subprocess.run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-H", url, *start, *login, "-b", want["base"], search(name), *wanted], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    check(name, done.stdout)
    lab_ad.tell("exchange", since, lab_ad.service(want["server"], 636 if tls else 389), "lookup of " + name)


def connect():
    import ldap3
    checked = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file="/etc/ssl/certs/ca-certificates.crt")
    server = ldap3.Server(want["server"], use_ssl=tls, tls=checked, get_info=ldap3.NONE)
    c = ldap3.Connection(server, user=want["user"], password=want["password"])
    since = time.time_ns()
    c.open()
    if want["security"] == "starttls" and not c.start_tls():
        sys.exit("no TLS")
    if not c.bind():
        sys.exit("bind: %s" % c.result)
    lab_ad.tell("handshake", since, c.socket, "bind as " + want["user"])
    return c


def with_ldap3(c, name):
    with lab_ad.doing("exchange", c.socket, "lookup of " + name):
        c.search(want["base"], search(name), attributes=wanted)
    check(name, str(c.entries))


kept = connect() if want["tool"] == "ldap3" and want["keep"] else None
for name in want["people"]:
    if want["tool"] == "openldap":
        openldap(name)
    else:
        c = kept or connect()
        with_ldap3(c, name)
        if not kept:
            c.unbind()
    since = time.time_ns()
    lab_ad.pause(float(want["pause"]))
    if kept:
        lab_ad.tell("idle", since, kept.socket, "")
if kept:
    kept.unbind()
