"""The lab's own remote administration with impacket: exec.py WAY, started by
traced.py. Standard input has the commands, standard output gets what came back.

  service-pipes  a service program is copied and started; commands and their
                 output go over its named pipes
  service-file   a service program is copied; each command is one start of it,
                 and the output is in a file
  task           a scheduled task for each command, the output in a file
  wmi            processes are listed, then each command is a new one, whose
                 output stays in a file of the server
  services       each command is a task for the service manager, such as
                 "status Spooler", all in one session
  registry       each command is a task for the registry, with tabs between
                 verb, key, value and data, all in one session"""
import sys
import time
from xml.sax.saxutils import escape

from impacket.dcerpc.v5.dcom import wmi as cim
from impacket.dcerpc.v5.dcomrt import DCOMConnection
from impacket.dcerpc.v5.dtypes import NULL
from impacket.dcerpc.v5 import rrp, scmr, transport, tsch
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY
from impacket.smbconnection import SMBConnection, SessionError
from impacket.smb3structs import FILE_READ_DATA, FILE_WRITE_DATA

import trace

PLAN = sys.plan


def login():
    smb = SMBConnection(PLAN["address"], PLAN["address"], timeout=60)
    smb.login(PLAN["user"], PLAN["password"], PLAN["domain"])
    return smb


def interface(smb, pipe, syntax, protected=False):
    """Binds to an interface on a pipe of a session."""
    binding = transport.SMBTransport(PLAN["address"], filename=pipe, smb_connection=smb)
    rpc = binding.get_dce_rpc()
    rpc.connect()
    if protected:
        rpc.set_credentials(PLAN["user"], PLAN["password"], PLAN["domain"])
        rpc.set_auth_level(RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    rpc.bind(syntax)
    return rpc


def commands():
    """The commands one by one, each with its number."""
    number = 0
    while line := sys.stdin.readline().strip():
        number += 1
        yield number, line


def fetch(smb, share, path):
    """Waits for a file, shows and removes it."""
    for attempt in range(60):
        try:
            size = []
            smb.getFile(share, path, lambda data: (size.append(len(data)), print(data.decode("cp437"), end="")))
            break
        except SessionError:
            time.sleep(PLAN["poll"])
    else:
        sys.exit(f"{path} did not come")
    print(flush=True)
    smb.deleteFile(share, path)


def copy_image(smb):
    with open(PLAN["image"], "rb") as f:
        smb.putFile("ADMIN$", PLAN["name"] + ".exe", f.read)


def create(rpc, manager, path):
    answer = scmr.hRCreateServiceW(rpc, manager, PLAN["service"] + "\0", PLAN["display"] + "\0", lpBinaryPathName=path + "\0", dwStartType=scmr.SERVICE_DEMAND_START)
    return answer["lpServiceHandle"]


def service_pipes():
    smb = login()
    copy_image(smb)
    rpc = interface(smb, "svcctl", scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(rpc)["lpScHandle"]
    service = create(rpc, manager, f"%SystemRoot%\\{PLAN['name']}.exe")
    scmr.hRStartServiceW(rpc, service)
    tree = smb.connectTree("IPC$")
    control = open_pipe(smb, tree, PLAN["name"], FILE_READ_DATA | FILE_WRITE_DATA)
    for number, command in commands():
        identity = f"{PLAN['client']}-{PLAN['process']}-{number}"
        smb.writeNamedPipe(tree, control, f"{identity}\0{command}".encode())
        smb.readNamedPipe(tree, control, 64)
        pipes = [open_pipe(smb, tree, f"{PLAN['name']}-{identity}-{kind}", FILE_WRITE_DATA if kind == "stdin" else FILE_READ_DATA) for kind in ("stdin", "stdout", "stderr")]
        for pipe in pipes[1:]:
            show(smb, tree, pipe)
        status = smb.readNamedPipe(tree, control, 64)
        for pipe in pipes:
            smb.closeFile(tree, pipe)
        print(f"\nstatus {status.decode()}", flush=True)
    smb.closeFile(tree, control)
    scmr.hRControlService(rpc, service, scmr.SERVICE_CONTROL_STOP)
    scmr.hRDeleteService(rpc, service)
    scmr.hRCloseServiceHandle(rpc, service)
    scmr.hRCloseServiceHandle(rpc, manager)
    smb.deleteFile("ADMIN$", PLAN["name"] + ".exe")
    smb.logoff()


def open_pipe(smb, tree, name, access):
    for attempt in range(40):
        try:
            return smb.openFile(tree, "\\" + name, access, creationOption=0x40, fileAttributes=0x80)
        except SessionError:
            time.sleep(0.2)  # the service is not there yet
    sys.exit(f"the pipe {name} did not come")


def show(smb, tree, pipe):
    """Shows what a pipe has until its writer closes it."""
    while True:
        try:
            data = smb.readNamedPipe(tree, pipe, PLAN["read"])
        except SessionError:
            return
        if not data:
            return
        print(data.decode("cp437"), end="", flush=True)


def service_file():
    smb = login()
    copy_image(smb)
    rpc = interface(smb, "svcctl", scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(rpc)["lpScHandle"]
    for number, command in commands():
        output = f"{PLAN['name']}{number}.log"
        service = create(rpc, manager, f"C:\\Windows\\{PLAN['name']}.exe -o C:\\Windows\\Temp\\{output} -- {command}")
        scmr.hRStartServiceW(rpc, service)
        scmr.hRDeleteService(rpc, service)
        scmr.hRCloseServiceHandle(rpc, service)
        fetch(smb, "ADMIN$", "Temp\\" + output)
    scmr.hRCloseServiceHandle(rpc, manager)
    smb.deleteFile("ADMIN$", PLAN["name"] + ".exe")
    smb.logoff()


TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
<RegistrationInfo><Author>{author}</Author><Description>{description}</Description></RegistrationInfo><Triggers/>
<Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
<Settings><AllowStartOnDemand>true</AllowStartOnDemand><Enabled>true</Enabled><Hidden>true</Hidden><ExecutionTimeLimit>PT1H</ExecutionTimeLimit></Settings>
<Actions Context="Author"><Exec><Command>cmd.exe</Command><Arguments>{arguments}</Arguments></Exec></Actions></Task>"""


def task():
    smb = login()
    rpc = interface(smb, "atsvc", tsch.MSRPC_UUID_TSCHS, protected=True)
    tsch.hSchRpcHighestVersion(rpc)
    for number, command in commands():
        path, output = f"\\{PLAN['service']}{number}", f"{PLAN['name']}{number}.log"
        xml = TASK.format(author=escape(PLAN["user"]), description=escape(PLAN["display"]), arguments=escape(f"/c {command} > C:\\Windows\\Temp\\{output} 2>&1"))
        tsch.hSchRpcRegisterTask(rpc, path, xml, tsch.TASK_CREATE, tsch.NULL, tsch.TASK_LOGON_NONE)
        tsch.hSchRpcRun(rpc, path)
        fetch(smb, "C$", "Windows\\Temp\\" + output)
        tsch.hSchRpcDelete(rpc, path)
    smb.logoff()


def wmi():
    dcom = DCOMConnection(PLAN["address"], PLAN["user"], PLAN["password"], PLAN["domain"])
    login = cim.IWbemLevel1Login(dcom.CoCreateInstanceEx(cim.CLSID_WbemLevel1Login, cim.IID_IWbemLevel1Login))
    services = login.NTLMLogin("//./root/cimv2", NULL, NULL)
    login.RemRelease()
    trace.doing("exchange", "processes")
    listed = services.ExecQuery("SELECT * FROM Win32_Process")
    for _ in range(PLAN["list"]):
        try:
            found = listed.Next(0xFFFFFFFF, 1)[0].getProperties()
        except Exception as e:
            if "S_FALSE" not in str(e):
                raise
            break
        print(found["ProcessId"]["value"], found["Name"]["value"], flush=True)
    listed.RemRelease()
    process, _ = services.GetObject("Win32_Process")
    for number, command in commands():
        made = process.Create(f"cmd.exe /c {command} > C:\\Windows\\Temp\\{PLAN['name']}{number}.log 2>&1", "C:\\", None).getProperties()
        print("started", made["ProcessId"]["value"], "return", made["ReturnValue"]["value"], flush=True)
    dcom.disconnect()


def services():
    smb = login()
    rpc = interface(smb, "svcctl", scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(rpc)["lpScHandle"]
    for _, command in commands():
        verb, _, name = command.partition(" ")
        if verb == "list":
            for s in scmr.hREnumServicesStatusW(rpc, manager):
                print(s["lpServiceName"][:-1], s["lpDisplayName"][:-1], STATES[s["ServiceStatus"]["dwCurrentState"]])
            continue
        service = scmr.hROpenServiceW(rpc, manager, name + "\0")["lpServiceHandle"]
        if verb == "stop":
            scmr.hRControlService(rpc, service, scmr.SERVICE_CONTROL_STOP)
        elif verb == "start":
            scmr.hRStartServiceW(rpc, service)
        elif verb == "config":
            print(name, scmr.hRQueryServiceConfigW(rpc, service)["lpServiceConfig"]["lpBinaryPathName"][:-1])
        print(name, STATES[scmr.hRQueryServiceStatus(rpc, service)["lpServiceStatus"]["dwCurrentState"]], flush=True)
        scmr.hRCloseServiceHandle(rpc, service)
    scmr.hRCloseServiceHandle(rpc, manager)
    smb.logoff()


STATES = {scmr.SERVICE_RUNNING: "running", scmr.SERVICE_STOPPED: "stopped"}

def counted(ask):
    """Asks for the first, the second and so on until there are no more."""
    number = 0
    while True:
        try:
            yield ask(number)
        except rrp.DCERPCSessionError as e:
            if e.error_code != 259:  # no more items
                raise
            return
        number += 1


def registry():
    smb = login()
    rpc = interface(smb, "winreg", rrp.MSRPC_UUID_RRP)
    root = rrp.hOpenLocalMachine(rpc)["phKey"]
    for _, command in commands():
        verb, key, *rest = command.split("\t")
        opened = rrp.hBaseRegOpenKey(rpc, root, key.split("\\", 1)[1], samDesired=rrp.MAXIMUM_ALLOWED)["phkResult"]
        if verb == "list":
            for name in counted(lambda i: rrp.hBaseRegEnumKey(rpc, opened, i)["lpNameOut"]):
                print(name.rstrip("\0"))
            for value in counted(lambda i: rrp.hBaseRegEnumValue(rpc, opened, i, dataLen=4096)):
                print(value["lpValueNameOut"].rstrip("\0"), b"".join(value["lpData"]).decode("utf-16-le", "replace").rstrip("\0"))
        elif verb == "get":
            print(rest[0], rrp.hBaseRegQueryValue(rpc, opened, rest[0])[1].rstrip("\0"))
        elif verb == "set":
            rrp.hBaseRegSetValue(rpc, opened, rest[0], rrp.REG_SZ, rest[1])
        elif verb == "delete":
            rrp.hBaseRegDeleteValue(rpc, opened, rest[0])
        sys.stdout.flush()
        rrp.hBaseRegCloseKey(rpc, opened)
    smb.logoff()


{"service-pipes": service_pipes, "service-file": service_file, "task": task, "wmi": wmi, "services": services, "registry": registry}[sys.argv[1]]()
