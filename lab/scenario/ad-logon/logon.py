"""Looks things up in the directory and reads files of shares with Samba's libraries, by the ticket that is there. The argument is JSON."""
import json
import sys
import time

import lab_ad
from samba.auth import system_session
from samba.credentials import MUST_USE_KERBEROS, Credentials
from samba.param import LoadParm
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param as s3param
from samba.samdb import SamDB

want = json.loads(sys.argv[1])
lp = LoadParm()
lp.load_default()
who = Credentials()
who.guess(lp)
who.set_kerberos_state(MUST_USE_KERBEROS)
ldap, smb = (lab_ad.service(want["server"], port) for port in (389, 445))


def lookups():
    since = time.time_ns()
    directory = SamDB(url="ldap://" + want["server"], credentials=who, lp=lp, session_info=system_session())
    lab_ad.tell("handshake", since, ldap, "login")
    for lookup in want["lookups"]:
        with lab_ad.doing("exchange", ldap, "lookup of " + lookup["filter"]):
            if not len(directory.search(lookup["base"], expression=lookup["filter"], attrs=lookup["names"])):
                sys.exit("nothing answers " + lookup["filter"])


def files():
    s3 = s3param.get_context()
    s3.load("/etc/samba/smb.conf")
    shares = {}
    for f in want["files"]:
        if f["share"] not in shares:
            shares.clear()
            with lab_ad.doing("handshake", smb, "login at " + f["share"]):
                shares[f["share"]] = libsmb.Conn(want["server"], f["share"], lp=s3, creds=who)
        since = time.time_ns()
        content = shares[f["share"]].loadfile(f["name"].replace("/", "\\"))
        lab_ad.tell(lab_ad.came(len(content)), since, smb, f["name"])
        with open(f["local"], "wb") as out:
            out.write(content)


lookups()
files()
lab_ad.label(ldap, "poll")
lab_ad.label(smb, "mount", "download")
