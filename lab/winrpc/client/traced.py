"""Runs a program that uses impacket, tells what its connections do (trace.py),
and types the commands of the plan when it asks for them:
traced.py PLAN.json PROGRAM ARGUMENT…"""
import json
import os
import runpy
import sys
import time

import trace

from impacket import smbconnection
from impacket.dcerpc.v5 import rpcrt


def after(owner, name, then):
    """Calls then(object, arguments, result) after a method."""
    method = getattr(owner, name)

    def wrapped(self, *args, **kwargs):
        result = method(self, *args, **kwargs)
        then(self, args, result)
        return result
    setattr(owner, name, wrapped)


def during(owner, name, state):
    """A method's work is a state of its own; the detail is the file's name."""
    method = getattr(owner, name)

    def wrapped(self, share, path, *args, **kwargs):
        before = trace.current()
        trace.doing(state, path)
        try:
            return method(self, share, path, *args, **kwargs)
        finally:
            trace.doing(*before)
    setattr(owner, name, wrapped)


def socket_of(smb):
    server = smb.getSMBServer()
    return getattr(server, "_NetBIOSSession", None).get_socket()


after(smbconnection.SMBConnection, "login", lambda smb, *_: trace.ready(socket_of(smb)))
after(rpcrt.DCERPC_v5, "bind", lambda rpc, *_: trace.ready(rpc.get_rpc_transport().get_socket()))
during(smbconnection.SMBConnection, "putFile", "upload")


class Typist:
    """Standard input: the next command when the program reads it, after the
    pause that the plan says."""

    def __init__(self, commands):
        self.commands = list(commands or [])

    def readline(self, *_):
        if not self.commands:
            return ""
        line, pause = self.commands.pop(0)
        time.sleep(pause)
        trace.doing("exchange", line)
        return line + "\n"

    def fileno(self):
        raise OSError("not a file")

    def isatty(self):
        return False


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        plan = json.load(f)
    sys.plan = plan
    sys.stdin = Typist(plan["commands"])
    sys.argv = sys.argv[2:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
