"""The service programs of the lab's clients. A file that begins with MAGIC is
one; what follows is without meaning. Started with "-o FILE -- COMMAND" it runs
one command; else it serves commands on pipes: a request on \\PIPE\\NAME is
ID NUL COMMAND, then the output comes on NAME-ID-stdout, the errors on
NAME-ID-stderr, and when all is done the status on NAME."""
import os
import re
import threading

MAGIC = b"MZ\x90\0lab service program\0"


def start(machine, service):
    """Starts a service's program; returns a Windows error. The path of a program
    that is no file of the host is one of Windows' own, which always starts."""
    found = re.match(r'"?([^"]*?\.exe)"?(?:\s+-o (\S+) -- (.*))?$', service.path, re.I)
    path = machine.path(found[1]) if found else ""
    if not os.path.isfile(path):
        return 0
    with open(path, "rb") as f:
        if not f.read(len(MAGIC)) == MAGIC:
            return 193  # not a valid program
    if found[3]:
        out, err, _ = machine.run(found[3])
        with open(machine.path(found[2]), "wb") as f:
            f.write(out + err)
        return 0
    name = name_of(service)
    machine.pipes_of.serve(name, lambda stream: serve(machine, name, stream))
    return 0


def name_of(service):
    """The name of a service's program without its folder and .exe."""
    return re.sub(r"\.exe.*$", "", service.path.strip('"').rsplit("\\", 1)[-1], flags=re.I)


def stop(machine, service):
    machine.pipes_of.close(name_of(service))


def serve(machine, name, control):
    """Runs the commands that come on one open of the control pipe."""
    while request := control.receive():
        number, command = request.decode().split("\0", 1)
        ready = {}
        for kind in ("stdin", "stdout", "stderr"):
            ready[kind] = threading.Event(), []
            machine.pipes_of.serve(f"{name}-{number}-{kind}", holder(*ready[kind]))
        control.send(b"ready")
        for opened, _ in ready.values():
            opened.wait(60)
        out, err, status = machine.run(command)
        for kind, data in (("stdout", out), ("stderr", err)):
            for stream in ready[kind][1]:
                for at in range(0, len(data), 4096):
                    stream.send(data[at:at + 4096])
        for kind in ready:
            machine.pipes_of.close(f"{name}-{number}-{kind}")
            for stream in ready[kind][1]:
                stream.close()
        control.send(b"%d" % status)


def holder(opened, streams):
    """Keeps an open pipe until somebody closes it."""
    def hold(stream):
        streams.append(stream)
        opened.set()
        stream.receive()
    return hold
