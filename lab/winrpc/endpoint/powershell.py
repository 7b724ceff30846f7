"""A small PowerShell: the cmdlets of inventory and configuration that the lab's
administrators use, one pipeline at a time."""
import base64
import os
import re
import time


def run(machine, args):
    """Runs what the arguments of powershell.exe say; returns output and status."""
    encoded = re.search(r"-e(?:c|nc|ncodedcommand)?\s+(\S+)", args, re.I)
    script = base64.b64decode(encoded[1]).decode("utf-16-le") if encoded else re.sub(r"^.*?-c(?:ommand)?\s+", "", args, flags=re.I).strip('"')
    out = ""
    for line in re.split(r"[\n;]", script):
        line = line.strip()
        if not line:
            continue
        name, _, rest = line.partition(" ")
        function = CMDLETS.get(name.lower())
        if function is None:
            return out + f"{name} : The term '{name}' is not recognized as the name of a cmdlet.\r\n", 1
        text = function(machine, rest)
        if text is None:
            return out + f"{name} : Cannot find what was named.\r\n", 1
        out += text
    return out, 0


def option(rest, name, default=""):
    found = re.search(rf"-{name}\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))", rest, re.I)
    return next(g for g in found.groups() if g is not None) if found else default


def rows(lines):
    return "".join(line + "\r\n" for line in lines)


def get_service(m, rest):
    name = option(rest, "Name") or (rest.split() or [""])[0]
    chosen = [v for v in m.services.values() if not name or name.startswith("|") or v.name.lower() == name.lower()]
    if not chosen:
        return None
    return rows(["", "Status   Name               DisplayName", "------   ----               -----------"] + [f"{'Running' if v.running else 'Stopped':<8} {v.name:<18} {v.display}" for v in chosen] + [""])


def restart_service(m, rest):
    service = m.services.get((option(rest, "Name") or rest.split()[0]).lower())
    if service is None:
        return None
    service.running, service.restarts = True, service.restarts + 1
    return ""


def get_process(m, rest):
    return rows(["", "Handles  NPM(K)    PM(K)      WS(K)     CPU(s)     Id  SI ProcessName", "-------  ------    -----      -----     ------     --  -- -----------"] +
                [f"{memory % 900 + 30:>7} {memory % 80 + 4:>7} {memory // 2:>8} {memory:>10} {pid % 97 / 3:>10.2f} {pid:>6} {session:>3} {name.removesuffix('.exe')}" for name, pid, session, memory in m.processes])


def get_hotfix(m, _):
    return rows(["", "Source        Description      HotFixID      InstalledBy          InstalledOn", "------        -----------      --------      -----------          -----------"] +
                [f"{m.name:<13} Security Update  KB{4500000 + (m.seed * (i + 3)) % 600000:<11} NT AUTHORITY\\SYSTEM  {i % 12 + 1}/{(i * 7) % 28 + 1}/2026 12:00:00 AM" for i in range(m.seed % 9 + 3)])


def get_computer(m, _):
    return rows(["", f"WindowsProductName : Windows Server 2019 Standard", f"OsBuildNumber      : {m.build}", f"CsName             : {m.name}", f"CsDomain           : {m.domain.lower()}.example",
                 "CsNumberOfLogicalProcessors : 2", f"OsLastBootUpTime   : {time.strftime('%m/%d/%Y %I:%M:%S %p', time.gmtime(m.boot))}", ""])


def get_content(m, rest):
    path = m.path(option(rest, "Path") or rest.strip())
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def set_content(m, rest):
    with open(m.path(option(rest, "Path")), "w", encoding="utf-8", newline="") as f:
        f.write(option(rest, "Value") + "\r\n")
    return ""


def append_content(m, rest):
    with open(m.path(option(rest, "Path")), "a", encoding="utf-8", newline="") as f:
        f.write(option(rest, "Value") + "\r\n")
    return ""


def get_address(m, _):
    return rows(["", f"IPAddress         : {m.address}", "InterfaceAlias    : Ethernet0", "AddressFamily     : IPv4", "PrefixLength      : 24", "PrefixOrigin      : Manual", ""])


def get_events(m, rest):
    n = int(option(rest, "Newest", "20"))
    return rows(["", "   Index Time          EntryType   Source                 InstanceID Message", "   ----- ----          ---------   ------                 ---------- -------"] +
                [f"{90000 - i:>8} {time.strftime('%b %d %H:%M', time.gmtime(time.time() - 977 * i))}  Information Service Control M...   1073748860 The {list(m.services.values())[i % len(m.services)].display} service entered the running state." for i in range(n)])


def get_volume(m, _):
    return rows(["", "DriveLetter FriendlyName FileSystemType DriveType HealthStatus SizeRemaining      Size", "----------- ------------ -------------- --------- ------------ -------------      ----",
                 f"C                        NTFS           Fixed     Healthy         {m.seed % 60 + 9:>6} GB  79.4 GB", ""])


CMDLETS = {
    "get-service": get_service, "restart-service": restart_service, "start-service": restart_service, "get-process": get_process, "get-hotfix": get_hotfix,
    "get-computerinfo": get_computer, "get-content": get_content, "set-content": set_content, "add-content": append_content, "get-netipaddress": get_address,
    "get-eventlog": get_events, "get-volume": get_volume, "hostname": lambda m, _: m.name + "\r\n",
}
