"""A small cmd.exe: what administrators and intruders ask a Windows host first.
Answers have the form of Windows' own, and tell of the lab's host."""
import hashlib
import os
import re
import shutil
import socket
import time

import powershell


class Shell:
    """One command line's run."""

    def __init__(self, machine, account, cwd):
        self.machine, self.account, self.cwd = machine, account, cwd
        self.status = 0

    def run(self, line):
        """Returns what was written to standard output and error, and the status."""
        out, err = "", ""
        rest = re.match(r'\s*"?(?:%comspec%|(?:[a-z]:)?[\w\\%]*cmd(?:\.exe)?)"?\s+(?:/q\s+|/s\s+|/d\s+)*/c\s*(.*)', line, re.I | re.S)
        for part in split(rest[1] if rest else line):
            o, e = self.redirected(part)
            out, err = out + o, err + e
        return out.encode("cp437", "replace"), err.encode("cp437", "replace"), self.status

    def redirected(self, part):
        """Runs one command, with its output where it is sent."""
        command, files, joined = redirections(part)
        if re.match(r'\s*"?(%comspec%|\S*cmd(\.exe)?)"?\s+/', command, re.I):
            inner = Shell(self.machine, self.account, self.cwd)
            out, err, self.status = (x.decode("cp437") if isinstance(x, bytes) else x for x in inner.run(command))
        else:
            out, err = self.one(self.machine.expand(command).strip())
        if joined:
            out, err = out + err, ""
        for number, mode, name in files:
            text, out, err = (out, "", err) if number == "1" else (err, out, "")
            if name.lower() != "nul":
                with open(self.machine.path(self.absolute(name)), mode + "b") as f:
                    f.write(text.encode("cp437", "replace"))
        return out, err

    def absolute(self, name):
        name = self.machine.expand(name).strip('"')
        return name if re.match(r"[a-z]:|\\", name, re.I) else self.cwd + "\\" + name

    def one(self, command):
        """Runs a command without redirections; returns output and errors."""
        self.status = 0
        if not command:
            return "", ""
        word, _, rest = command.partition(" ")
        name = re.sub(r"\.exe$", "", word.strip('"@').rsplit("\\", 1)[-1].lower())
        args = rest.strip()
        if name == "powershell":
            out, self.status = powershell.run(self.machine, args)
            return out, ""
        function = COMMANDS.get(name)
        if function:
            out = function(self, args)
            return (out, "") if out is not None else self.fail("The system cannot find the file specified.\r\n")
        path = self.machine.path(self.absolute(word))
        if path.lower().endswith(".bat") and os.path.isfile(path):
            return self.batch(path)
        program = self.machine.path(self.absolute(word if "." in word else word + ".exe"))
        if os.path.isfile(program):
            with open(program, "rb") as f:
                return f"{os.path.basename(program)} {args}\r\nimage {hashlib.sha256(f.read()).hexdigest()}\r\n", ""
        return self.fail(f"'{word}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n")

    def fail(self, text):
        self.status = 1
        return "", text

    def batch(self, path):
        out, err = "", ""
        with open(path, encoding="cp437") as f:
            for line in f.read().splitlines():
                o, e, self.status = Shell(self.machine, self.account, self.cwd).run(line)
                out, err = out + o.decode("cp437"), err + e.decode("cp437")
        return out, err


def split(line):
    """Splits a line at & and &&, which quotes and ^ protect."""
    parts, now, quoted, i = [], "", False, 0
    while i < len(line):
        c = line[i]
        if c == "^" and not quoted:
            now += line[i:i + 2]
            i += 1
        elif c == "&" and not quoted and not now.endswith(">"):
            parts.append(now)
            now = ""
            while line[i + 1:i + 2] == "&":
                i += 1
        else:
            quoted ^= c == '"'
            now += c
        i += 1
    return parts + [now]


def redirections(part):
    """Returns the command, [(stream, mode, file)], and whether 2>&1 is there;
    ^ is taken away from what it protects."""
    files, joined, command, i = [], False, "", 0
    while i < len(part):
        c = part[i]
        if c == "^" and i + 1 < len(part):
            command += part[i + 1]
            i += 2
            continue
        found = re.match(r"([12]?)(>>?)\s*(&1|\"[^\"]*\"|[^\s&>]+)", part[i:]) if c in "12>" and (c == ">" or command[-1:] in ("", " ")) else None
        if not found:
            command += c
            i += 1
            continue
        if found[3] == "&1":
            joined = True
        else:
            files.append((found[1] or "1", "a" if found[2] == ">>" else "w", found[3]))
        i += found.end()
    return command, files, joined


def table(rows):
    return "".join(r + "\r\n" for r in rows)


def whoami(s, args):
    user = "nt authority\\system" if s.account == "SYSTEM" else f"{s.machine.domain.lower()}\\{s.account.lower()}"
    if not args:
        return user + "\r\n"
    groups = [("Everyone", "S-1-1-0"), ("BUILTIN\\Administrators", "S-1-5-32-544"), ("BUILTIN\\Users", "S-1-5-32-545"), ("NT AUTHORITY\\NETWORK", "S-1-5-2"),
              ("NT AUTHORITY\\Authenticated Users", "S-1-5-11"), ("NT AUTHORITY\\This Organization", "S-1-5-15"), ("Mandatory Label\\High Mandatory Level", "S-1-16-12288")]
    privileges = ["SeIncreaseQuotaPrivilege", "SeSecurityPrivilege", "SeTakeOwnershipPrivilege", "SeLoadDriverPrivilege", "SeBackupPrivilege", "SeRestorePrivilege",
                  "SeShutdownPrivilege", "SeDebugPrivilege", "SeSystemEnvironmentPrivilege", "SeChangeNotifyPrivilege", "SeImpersonatePrivilege", "SeCreateGlobalPrivilege"]
    return table(["", "USER INFORMATION", "----------------", "", user, "", "GROUP INFORMATION", "-----------------", ""] +
                 [f"{n:<45} Well-known group {i:<14} Mandatory group, Enabled by default, Enabled group" for n, i in groups] +
                 ["", "PRIVILEGES INFORMATION", "----------------------", ""] + [f"{p:<32} Enabled" for p in privileges])


def ipconfig(s, args):
    m = s.machine
    rows = ["", "Windows IP Configuration", ""]
    if args.lower() == "/all":
        rows += [f"   Host Name . . . . . . . . . . . . : {m.name}", "   Primary Dns Suffix  . . . . . . . : corp.example", "   Node Type . . . . . . . . . . . . : Hybrid",
                 "   IP Routing Enabled. . . . . . . . : No", ""]
    rows += ["Ethernet adapter Ethernet0:", "", "   Connection-specific DNS Suffix  . :", f"   IPv4 Address. . . . . . . . . . . : {m.address}",
             "   Subnet Mask . . . . . . . . . . . : 255.255.255.0", f"   Default Gateway . . . . . . . . . : {m.address.rsplit('.', 1)[0]}.1"]
    return table(rows)


def systeminfo(s, _):
    m, rng = s.machine, s.machine.random
    boot = time.strftime("%m/%d/%Y, %I:%M:%S %p", time.gmtime(m.boot))
    rows = [("Host Name", m.name), ("OS Name", "Microsoft Windows Server 2019 Standard"), ("OS Version", f"10.0.{m.build} N/A Build {m.build}"),
            ("OS Manufacturer", "Microsoft Corporation"), ("OS Configuration", "Member Server"), ("Registered Owner", "Windows User"), ("System Boot Time", boot),
            ("System Manufacturer", "VMware, Inc."), ("System Type", "x64-based PC"), ("Processor(s)", "2 Processor(s) Installed."), ("Windows Directory", "C:\\Windows"),
            ("Time Zone", "(UTC) Coordinated Universal Time"), ("Total Physical Memory", f"{rng.choice([4095, 8191, 16383])} MB"), ("Domain", m.domain.lower() + ".example"),
            ("Hotfix(s)", f"{m.seed % 9 + 3} Hotfix(s) Installed.")]
    rows += [("", f"[{i + 1:02}]: KB{4500000 + (m.seed * (i + 3)) % 600000}") for i in range(m.seed % 9 + 3)]
    rows += [("Network Card(s)", "1 NIC(s) Installed."), ("", f"[01]: {m.address}")]
    return table([""] + [f"{a + ':' if a else '':<27}{b}" for a, b in rows])


def tasklist(s, args):
    rows = ["", "Image Name                     PID Session Name        Session#    Mem Usage", "========================= ======== ================ =========== ============"]
    for name, pid, session, memory in s.machine.processes + [("tasklist.exe", 4 * os.getpid(), 0, 8204)]:
        rows.append(f"{name:<25} {pid:>8} {'Services' if session == 0 else 'Console':<16} {session:>11} {memory:>10,} K")
    return table(rows)


STATES = {1: "ESTABLISHED", 6: "TIME_WAIT", 8: "CLOSE_WAIT", 10: "LISTENING"}


def netstat(s, _):
    def address(text):
        host, port = text.split(":")
        return f"{socket.inet_ntoa(bytes.fromhex(host)[::-1])}:{int(port, 16)}"
    rows = ["", "Active Connections", "", "  Proto  Local Address          Foreign Address        State           PID"]
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f.readlines()[1:]:
            w = line.split()
            rows.append(f"  TCP    {address(w[1]):<22} {address(w[2]):<22} {STATES.get(int(w[3], 16), 'TIME_WAIT'):<15} {int(w[9]) % 9000 // 4 * 4}")
    return table(rows)


def net(s, args):
    m, what = s.machine, args.lower().split()
    if not what or what[0] == "user":
        names = sorted({"Administrator", "DefaultAccount", "Guest", "WDAGUtilityAccount", *m.accounts})
        lines = ["".join(f"{n:<25}" for n in names[i:i + 3]) for i in range(0, len(names), 3)]
        return table(["", f"User accounts for \\\\{m.name}", "", "-" * 79] + lines + ["The command completed successfully.", ""])
    if what[0] == "localgroup":
        return table(["Alias name     " + " ".join(what[1:]), "Comment        Administrators have complete and unrestricted access to the computer/domain", "", "Members", "", "-" * 79,
                      "Administrator", f"{m.domain}\\Domain Admins", f"{m.domain}\\{m.user}", "The command completed successfully.", ""])
    if what[0] == "start":
        return table(["These Windows services are started:", ""] + [f"   {v.display}" for v in m.services.values() if v.running] + ["", "The command completed successfully.", ""])
    if what[0] == "share":
        return table(["", "Share name   Resource                        Remark", "", "-" * 79, "C$           C:\\                             Default share",
                      "IPC$                                         Remote IPC", "ADMIN$       C:\\Windows                      Remote Admin", "The command completed successfully.", ""])
    if what[0] in ("accounts", "use", "view", "session"):
        return table([f"Computer role:                                        SERVER ({m.name})", "Minimum password age (days):                          1",
                      "Maximum password age (days):                          42", "Lockout threshold:                                    Never", "The command completed successfully.", ""])
    return None


def directory(s, args):
    where = s.absolute(re.sub(r"/\w+\s*", "", args).strip() or s.cwd)
    path = s.machine.path(where)
    if not os.path.isdir(path):
        return None
    rows, total = [" Volume in drive C has no label.", f" Volume Serial Number is {s.machine.seed % 65536:04X}-{s.machine.seed // 7 % 65536:04X}", "", f" Directory of {where}", ""], 0
    for e in sorted(os.listdir(path)):
        info = os.stat(os.path.join(path, e))
        stamp = time.strftime("%m/%d/%Y  %I:%M %p", time.gmtime(info.st_mtime))
        is_dir = os.path.isdir(os.path.join(path, e))
        total += 0 if is_dir else info.st_size
        rows.append(f"{stamp}    {'<DIR>' if is_dir else '':<5} {'' if is_dir else format(info.st_size, ','):>13} {e}")
    return table(rows + [f"               {total:,} bytes", ""])


def show(s, args):
    path = s.machine.path(s.absolute(args))
    if not os.path.isfile(path):
        return None
    with open(path, encoding="cp437", newline="") as f:
        return f.read()


def remove(s, args):
    path = s.machine.path(s.absolute(re.sub(r"(^|\s)/\w+", "", args).strip()))
    if not os.path.isfile(path):
        return None
    os.unlink(path)
    return ""


def copy(s, args):
    source, target = (s.machine.path(s.absolute(a)) for a in re.sub(r"(^|\s)/\w+", "", args).split()[:2])
    if not os.path.isfile(source):
        return None
    shutil.copy(source, target)
    return "        1 file(s) copied.\r\n"


def service_query(s, args):
    words = args.split()
    chosen = [v for v in s.machine.services.values() if len(words) < 2 or v.name.lower() == words[1].lower()]
    if not chosen or words[:1] not in (["query"], ["queryex"]):
        return None
    return "".join(table(["", f"SERVICE_NAME: {v.name}", f"DISPLAY_NAME: {v.display}", f"        TYPE               : {v.kind:x}  WIN32_OWN_PROCESS",
                          f"        STATE              : {'4  RUNNING' if v.running else '1  STOPPED'}", "        WIN32_EXIT_CODE    : 0  (0x0)", "        WAIT_HINT          : 0x0"]) for v in chosen)


def sessions(s, _):
    return table([" USERNAME              SESSIONNAME        ID  STATE   IDLE TIME  LOGON TIME", f" {s.machine.user:<22}{'console':<19}1  Active      none   {time.strftime('%m/%d/%Y %I:%M %p', time.gmtime(s.machine.boot + 300))}"])


def arp(s, _):
    base = s.machine.address.rsplit(".", 1)[0]
    return table(["", f"Interface: {s.machine.address} --- 0x4", "  Internet Address      Physical Address      Type"] +
                 [f"  {base + '.' + str(1 + i):<22}00-50-56-{s.machine.seed % 251:02x}-{i * 37 % 256:02x}-{i:02x}     dynamic" for i in range(1 + s.machine.seed % 9)])


def schedule(s, _):
    return table(["", "Folder: \\", "TaskName                                 Next Run Time          Status", "=" * 40 + " " + "=" * 22 + " " + "=" * 15] +
                 [f"{t.strip(chr(92)):<40} {'N/A':<22} Ready" for t in ["GoogleUpdateTaskMachineCore", "User_Feed_Synchronization", *s.machine.tasks]])


def environment(s, _):
    return table([f"COMPUTERNAME={s.machine.name}", "ComSpec=C:\\Windows\\system32\\cmd.exe", "NUMBER_OF_PROCESSORS=2", "OS=Windows_NT",
                  "Path=C:\\Windows\\system32;C:\\Windows;C:\\Windows\\System32\\Wbem;C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\", "PROCESSOR_ARCHITECTURE=AMD64",
                  "ProgramData=C:\\ProgramData", "SystemRoot=C:\\Windows", "TEMP=C:\\Windows\\TEMP", f"USERDOMAIN={s.machine.domain}", f"USERNAME={s.account}"])


def change(s, args):
    if not args:
        return s.cwd + "\r\n"
    s.cwd = s.absolute(args)
    return ""


COMMANDS = {
    "whoami": whoami, "hostname": lambda s, _: s.machine.name + "\r\n", "ipconfig": ipconfig, "systeminfo": systeminfo, "tasklist": tasklist, "netstat": netstat,
    "net": net, "net1": net, "dir": directory, "type": show, "del": remove, "copy": copy, "sc": service_query, "quser": sessions, "query": sessions, "arp": arp,
    "schtasks": schedule, "set": environment, "cd": change, "chdir": change, "echo": lambda s, a: a.rstrip() + "\r\n", "rem": lambda s, _: "",
    "ver": lambda s, _: f"\r\nMicrosoft Windows [Version 10.0.{s.machine.build}.1]\r\n",
}
