"""Named pipes of the SMB server: smbd hands each open of \\PIPE\\NAME to the
Unix socket np/NAME (Samba's external RPC servers), with who opens it, and then
messages with their length in two bytes."""
import os
import socket
import struct
import threading
import time

from rpc import Connection

MESSAGE_MODE = 2


class Pipes:
    """The pipes of a machine. Those that speak DCE/RPC have interfaces; others
    have a function that gets the Stream of each open."""

    def __init__(self, machine):
        self.machine, self.listeners = machine, {}
        os.makedirs(machine.pipes, mode=0o700, exist_ok=True)

    def serve_rpc(self, name, interfaces):
        def serve(stream):
            Connection(stream.receive, stream.send, interfaces, self.machine, "\\PIPE\\" + name).serve()
        self.serve(name, serve)

    def serve(self, name, function):
        path = os.path.join(self.machine.pipes, name.lower())
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(16)
        self.listeners[name.lower()] = listener

        def accept():
            while True:
                try:
                    c, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.opened, args=(c, name, function), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()

    def opened(self, c, name, function):
        with c:
            stream = Stream(c)
            self.machine.tell(stream.at, "pipe", name)
            try:
                function(stream)
            except OSError:
                pass

    def close(self, name):
        """Takes no further opens."""
        listener = self.listeners.pop(name.lower(), None)
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            os.unlink(os.path.join(self.machine.pipes, name.lower()))


class Stream:
    """One open of a pipe, message by message."""

    def __init__(self, c):
        self.c, self.at = c, time.time_ns()
        request = self.exactly(struct.unpack(">L", self.exactly(4))[0])
        level = struct.unpack_from("<L", request, 4)[0]
        reply = b"NPAM" + struct.pack("<LL", level, level) + struct.pack("<HHL", MESSAGE_MODE, 0x05FF, 0) + struct.pack("<QL", 4096, 0)
        c.sendall(struct.pack(">L", len(reply)) + reply)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.c.recv(n - len(data))
            if not part:
                raise ConnectionError("the pipe is closed")
            data += part
        return data

    def receive(self):
        try:
            return self.exactly(struct.unpack("<H", self.exactly(2))[0])
        except ConnectionError:
            return b""

    def send(self, data):
        for at in range(0, len(data), 60000):
            part = data[at:at + 60000]
            self.c.sendall(struct.pack("<H", len(part)) + part)

    def close(self):
        """Ends the pipe, also for who waits for a message."""
        try:
            self.c.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was first
