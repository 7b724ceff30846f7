"""What the lab's clients of a domain share: they tell what they do, when and on which connection."""
import contextlib
import functools
import os
import random
import socket
import time

random.seed(int(os.environ.get("SEED", "0")))


def ends(sock):
    """The two ends of a TCP connection, as the lab reads them."""
    return "%s:%d %s:%d" % (*sock.getsockname()[:2], *sock.getpeername()[:2])


def tell(what, since, sock, detail):
    print("! %d %s %d %s %s" % (time.time_ns(), what, since, sock if isinstance(sock, str) else ends(sock), detail), flush=True)


def label(sock, *names):
    """Says what a connection is about."""
    tell("label", 0, sock, ",".join(names))


@contextlib.contextmanager
def doing(state, sock, detail):
    """Says that a connection does something while the block runs."""
    since, sock = time.time_ns(), sock if isinstance(sock, str) else ends(sock)
    yield
    tell(state, since, sock, detail)


def pause(mean, most=4):
    """Waits for an exponential time, of at most so many means."""
    time.sleep(min(random.expovariate(1), most) * mean)


def smb_socket(connection):
    """The socket of impacket's SMBConnection."""
    return connection.getSMBServer().get_socket()


@functools.cache
def service(host, port):
    """All connections to a port of a host, where a program knows no better."""
    return "0.0.0.0:0 %s:%d" % (socket.gethostbyname(host), port)


# What is larger goes in trains of full messages.
BULK = 16 << 10


def came(size):
    """The state in which so many bytes of an answer came."""
    return "download" if size > BULK else "exchange"
