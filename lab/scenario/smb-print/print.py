"""Prints documents by the print system's remote procedure calls, with Samba's library. The argument is JSON."""
import json
import sys
import time

import lab_ad
from samba.credentials import DONT_USE_KERBEROS, Credentials
from samba.dcerpc import spoolss
from samba.param import LoadParm

want = json.loads(sys.argv[1])
flow = lab_ad.service(want["server"], 445)
ACCESS_USE = 8


def connect():
    lp = LoadParm()
    lp.load_default()
    lp.set("client ipc signing", "if_required" if want["protection"] == "none" else "required")
    who = Credentials()
    who.guess(lp)
    who.set_username(want["user"])
    who.set_password(want["password"])
    who.set_domain("OFFICE")
    who.set_kerberos_state(DONT_USE_KERBEROS)
    since = time.time_ns()
    s = spoolss.spoolss("ncacn_np:%s" % want["server"], lp, who)
    lab_ad.tell("handshake", since, flow, "login as " + want["user"])
    return s


def open_printer(s):
    client = spoolss.UserLevel1()
    client.size, client.client, client.user, client.build, client.major, client.minor, client.processor = 28, "\\\\client", want["user"], 19045, 10, 0, 0
    level = spoolss.UserLevelCtr()
    level.level, level.user_info = 1, client
    return s.OpenPrinterEx("\\\\%s\\%s" % (want["server"], want["printer"]), None, spoolss.DevmodeContainer(), ACCESS_USE, level)


def send(s, printer, name):
    info = spoolss.DocumentInfo1()
    info.document_name, info.output_file, info.datatype = name, None, "RAW"
    document = spoolss.DocumentInfoCtr()
    document.level, document.info = 1, info
    job = s.StartDocPrinter(printer, document)
    s.StartPagePrinter(printer)
    with open(name, "rb") as f:
        while part := f.read(want["part"]):
            s.WritePrinter(printer, part, len(part))
    s.EndPagePrinter(printer)
    s.EndDocPrinter(printer)
    return job


s = connect()
with lab_ad.doing("exchange", flow, "the printer"):
    printer = open_printer(s)
for document in want["documents"]:
    with lab_ad.doing("upload", flow, document["name"]):
        job = send(s, printer, document["name"])
    print("job %d" % job)
    with lab_ad.doing("idle", flow, ""):
        lab_ad.pause(want["pause"], 3)
s.ClosePrinter(printer)
