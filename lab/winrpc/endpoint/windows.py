"""The lab's endpoint of a Windows host that is administered remotely:
windows.py CONFIG.json"""
import json
import os
import sys
import threading

import dcom
import pipes
import relay
import winrm
from machine import Machine
from ntlmserver import nt_hash
from services import Manager
from tasks import Scheduler

if not os.getcwd().startswith("/run/tyto-lab/"):
    sys.exit("this runs on hosts of the traffic lab only")

with open(sys.argv[1], encoding="utf-8") as f:
    machine = Machine(json.load(f))
# The administrator is the host's root for Samba, which asks for the password's hash.
with open("smbpasswd", "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as f:
    f.write(f"root:0:{'X' * 32}:{nt_hash(machine.accounts[machine.user]).hex().upper()}:[U          ]:LCT-65000000:\n")
machine.pipes_of = pipes.Pipes(machine)
machine.pipes_of.serve_rpc("svcctl", [Manager(machine).interface()])
machine.pipes_of.serve_rpc("atsvc", [Scheduler(machine).interface()])
if machine.winrm:
    winrm.serve(machine, machine.winrm)
for name, port in machine.relays.items():
    machine.pipes_of.serve(name, relay.opener(port))
if machine.dcom:
    dcom.serve(machine)
print("ready", flush=True)
threading.Event().wait()
