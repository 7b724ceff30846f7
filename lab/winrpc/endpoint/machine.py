"""The state of the emulated machine: names, accounts, files, services, tasks,
registry. Files are real files of the lab's host."""
import json
import os
import random
import re
import threading
import time

import cmdexe


# How long programs take on Windows in seconds, about.
SLOW = {"systeminfo": 1.8, "powershell": 0.7, "tasklist": 0.5, "netstat": 0.2, "net ": 0.15}


class Service:
    """An entry of the service manager."""

    def __init__(self, name, display, path, start=3, running=False, account="LocalSystem", kind=0x10):
        self.name, self.display, self.path, self.start = name, display, path, start
        self.running, self.account, self.kind, self.restarts = running, account, kind, 0

    def status(self):
        """The seven numbers of SERVICE_STATUS."""
        return (self.kind, 4 if self.running else 1, 5 if self.running else 0, 0 if self.running else 1077, 0, 0, 0)


class Machine:
    """One machine. config is what Go wrote into the file of that name."""

    def __init__(self, config):
        self.__dict__.update(config)  # name, user, accounts, address, root, pipes, seed …
        self.random = random.Random(self.seed)
        self.out = threading.Lock()
        self.services = {s["name"].lower(): Service(**s) for s in self.service_list}
        self.tasks = {}
        self.boot = time.time() - self.random.randrange(3600, 40 * 86400)
        self.processes = self.draw_processes()
        self.pipes_of = None  # its named pipes, set by the program

    def tell(self, began, what, text):
        """Tells of something that began (ns) and is over now."""
        with self.out:
            print(f"! {began} {what} {time.time_ns()} {text}", flush=True)

    def draw_processes(self):
        names = ["System", "Registry", "smss.exe", "csrss.exe", "wininit.exe", "csrss.exe", "winlogon.exe", "services.exe", "lsass.exe",
                 "fontdrvhost.exe", "dwm.exe", "spoolsv.exe", "MsMpEng.exe", "SearchIndexer.exe", "taskhostw.exe", "explorer.exe",
                 "sihost.exe", "ctfmon.exe", "RuntimeBroker.exe", "WmiPrvSE.exe", "dllhost.exe", "vmtoolsd.exe", "conhost.exe"]
        names += ["svchost.exe"] * self.random.randrange(18, 55)
        pid, all_of_them = 4, []
        for n in names:
            all_of_them.append((n, pid, 0 if pid < 700 else self.random.choice([0, 1]), self.random.randrange(900, 260000)))
            pid += 4 * self.random.randrange(3, 90)
        return all_of_them

    def path(self, windows):
        """The host's file of a Windows path."""
        p = self.expand(windows).strip('"').replace("/", "\\")
        p = re.sub(r"^\\\\(127\.0\.0\.1|localhost|%s)\\" % re.escape(self.name), "\\\\\\\\.\\\\", p, flags=re.I)
        p = re.sub(r"^\\\\\.\\admin\$", lambda _: "C:\\Windows", p, flags=re.I)
        p = re.sub(r"^\\\\\.\\c\$", "C:", p, flags=re.I)
        p = re.sub(r"^[cC]:", "", p)
        real = self.root
        for part in p.split("\\"):
            if part in ("", "."):
                continue
            if part == "..":
                real = os.path.dirname(real) if real != self.root else real
                continue
            found = [e for e in (os.listdir(real) if os.path.isdir(real) else []) if e.lower() == part.lower()]
            real = os.path.join(real, found[0] if found else part)
        return real

    def expand(self, text):
        """Replaces %VARIABLES%."""
        variables = {"comspec": "C:\\Windows\\system32\\cmd.exe", "systemroot": "C:\\Windows", "windir": "C:\\Windows", "temp": "C:\\Windows\\Temp",
                     "tmp": "C:\\Windows\\Temp", "computername": self.name, "username": self.user, "systemdrive": "C:", "programdata": "C:\\ProgramData"}
        return re.sub(r"%(\w+)%", lambda m: variables.get(m[1].lower(), m[0]), text)

    def run(self, line, account="SYSTEM", cwd="C:\\Windows\\system32"):
        """Runs a command line; returns output, errors and status."""
        began = time.time_ns()
        slow = next((s for word, s in SLOW.items() if word in line.lower()), 0.05)
        time.sleep(min(slow * random.lognormvariate(0, 0.6), 2.2))
        result = cmdexe.Shell(self, account, cwd).run(line)
        self.tell(began, "ran", json.dumps(line[:200]))
        return result
