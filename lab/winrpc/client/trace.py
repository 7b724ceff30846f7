"""Tells what the connections of a program do: a line of JSON for each segment,
written to the file in the environment's TRACE when the segment is over.

A connection is in its handshake until ready(socket) is called; what it does
then is what doing(state, detail) said last. Segments of a connection are cut
where it was quiet for a second before the program spoke again."""
import atexit
import json
import os
import socket
import sys
import threading
import time

if not os.getcwd().startswith("/run/tyto-lab/"):
    sys.exit("this runs on hosts of the traffic lab only")

QUIET = 10**9
_lock = threading.RLock()
_file = open(os.environ["TRACE"], "a", encoding="ascii")
_now = ("exchange", "")
_segments = {}  # by socket


def doing(state, detail=""):
    """Says what is done from now on."""
    global _now
    _now = (state, detail)


def current():
    return _now


def ready(sock):
    """Says that the handshake of a socket's connection is over."""
    sock.handshaking = False


class Segment:
    def __init__(self, sock, state, began):
        self.state, self.began, self.over, self.heard = state, began, began, False
        self.ends = ["%s:%d" % sock.getsockname(), "%s:%d" % sock.getpeername()]

    def write(self):
        line = {"T0": self.began, "T1": self.over, "Proto": "tcp", "Local": self.ends[0], "Remote": self.ends[1], "State": self.state[0], "Detail": self.state[1]}
        _file.write(json.dumps(line) + "\n")
        _file.flush()


def touch(sock, began, heard):
    """Notes that a socket sent or received something between then and now."""
    with _lock:
        if sock.untold:
            return
        state = ("handshake", "") if sock.handshaking else _now
        segment = _segments.get(sock)
        if segment and (segment.state != state or segment.heard and not heard and began - segment.over > QUIET):
            segment.write()
            segment = None
        if segment is None:
            try:
                segment = _segments[sock] = Segment(sock, state, began)
            except OSError:
                return
            sock.untold = segment.ends[1].startswith("127.")
            if sock.untold:
                del _segments[sock]
                return
        segment.over, segment.heard = time.time_ns(), heard


class Socket(socket.socket):
    handshaking = True
    untold = False  # it goes to the host itself

    def connect(self, address):
        began = time.time_ns()
        super().connect(address)
        if self.family == socket.AF_INET:
            touch(self, began, False)

    def send(self, *args):
        touch(self, time.time_ns(), False)
        return super().send(*args)

    def sendall(self, *args):
        touch(self, time.time_ns(), False)
        return super().sendall(*args)

    def recv(self, *args):
        data = super().recv(*args)
        touch(self, time.time_ns(), True)
        return data

    def recv_into(self, *args):
        n = super().recv_into(*args)
        touch(self, time.time_ns(), True)
        return n


@atexit.register
def finish():
    with _lock:
        for segment in _segments.values():
            segment.write()
        _segments.clear()


socket.socket = Socket
