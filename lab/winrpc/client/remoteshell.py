"""Runs the commands of a plan over WinRM with pywinrm: remoteshell.py PLAN.json.
Prints what came back, and the status of each command."""
import hashlib
import json
import os
import sys
import time

if not os.getcwd().startswith("/run/tyto-lab/"):
    sys.exit("this runs on hosts of the traffic lab only")

from Cryptodome.Hash import MD4

with open(sys.argv[1], encoding="utf-8") as f:
    PLAN = json.load(f)

# NTLM needs MD4, which OpenSSL 3 keeps among its legacy algorithms.
_new = hashlib.new
hashlib.new = lambda name, data=b"", **options: MD4.new(data) if name == "md4" else _new(name, data, **options)

import winrm  # noqa: E402  (it must find the above)


def main():
    protocol = winrm.Protocol(PLAN["url"], transport=PLAN["transport"], username=f"{PLAN['domain']}\\{PLAN['user']}" if PLAN["transport"] == "ntlm" else PLAN["user"],
                              password=PLAN["password"], server_cert_validation="ignore", read_timeout_sec=90, operation_timeout_sec=PLAN["operation"])
    shell = protocol.open_shell()
    for number, (line, pause) in enumerate(PLAN["commands"]):
        time.sleep(pause)
        if number > 0 and not PLAN["keep"]:
            protocol.close_shell(shell)
            shell = protocol.open_shell()
        command = protocol.run_command(shell, line, [])
        out, err, status = protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
        print(f"{out.decode('cp437')}{err.decode('cp437')}\nstatus {status}", flush=True)
    protocol.close_shell(shell)


main()
