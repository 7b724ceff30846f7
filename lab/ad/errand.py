"""Does what it is told with the files of a share, with impacket. The argument is JSON."""
import json
import sys
import time

import lab_ad
from impacket.smbconnection import SMBConnection

want = json.loads(sys.argv[1])
share = want["share"]


def path(name):
    return "\\".join(p for p in (want["dir"], name) if p)


def login():
    since = time.time_ns()
    c = SMBConnection(want["server"], want["server"], timeout=60)
    # Larger ones need more credits than impacket counts.
    for limit in ("MaxReadSize", "MaxWriteSize"):
        c.getSMBServer()._Connection[limit] = min(1 << 16, c.getSMBServer()._Connection[limit])
    c.login(want["user"], want["password"] if not want["hash"] else "", want["domain"], nthash=want["hash"])
    lab_ad.tell("handshake", since, lab_ad.smb_socket(c), "login")
    return c


def get(c, step):
    with open(step["name"], "wb") as f:
        c.getFile(share, path(step["name"]), f.write)


def put(c, step):
    with open(step["name"], "rb") as f:
        c.putFile(share, path(step["name"]), f.read)


does = {
    "list": lambda c, s: c.listPath(share, path("*")),
    "get": get,
    "put": put,
    "rename": lambda c, s: c.rename(share, path(s["name"]), path(s["to"])),
    "delete": lambda c, s: c.deleteFile(share, path(s["name"])),
    "mkdir": lambda c, s: c.createDirectory(share, path(s["name"])),
}
bulk = {"get": "download", "put": "upload"}

c = login()
for step in want["steps"]:
    state = bulk.get(step["op"], "exchange") if step["size"] > want["small"] else "exchange"
    with lab_ad.doing(state, lab_ad.smb_socket(c), "%(op)s %(name)s" % step):
        does[step["op"]](c, step)
    with lab_ad.doing("idle", lab_ad.smb_socket(c), ""):
        lab_ad.pause(want["pause"])
c.close()
