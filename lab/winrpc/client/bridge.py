"""Carries one TCP connection over a named pipe of a server, frame by frame; a
frame is its length in four bytes and so many more. Started by traced.py:
bridge.py PORT PIPE first|second. PORT is where it listens on loopback; "first"
says that who connects speaks first, "second" that the pipe's other end does.
Both speak in turn."""
import socket
import struct
import sys

from impacket.smbconnection import SMBConnection
from impacket.smb3structs import FILE_READ_DATA, FILE_WRITE_DATA

PLAN = sys.plan
PORT, PIPE, TURN = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def frame(read):
    """Reads a frame with a function that returns some bytes, b"" at the end."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">L", data[:4])[0]:
        part = read(4 + struct.unpack(">L", data[:4])[0] - len(data) if len(data) >= 4 else 4 - len(data))
        if not part:
            return b""
        data += part
    return data


with socket.create_server(("127.0.0.1", PORT)) as server:
    connection, _ = server.accept()
smb = SMBConnection(PLAN["address"], PLAN["address"], timeout=150)
smb.login(PLAN["user"], PLAN["password"], PLAN["domain"])
tree = smb.connectTree("IPC$")
pipe = smb.openFile(tree, "\\" + PIPE, FILE_READ_DATA | FILE_WRITE_DATA, creationOption=0x40, fileAttributes=0x80)


def from_pipe(size):
    try:
        return smb.readNamedPipe(tree, pipe, min(size, PLAN["read"]))
    except Exception as e:
        if "STATUS_PIPE" in str(e):
            return b""
        raise


def to_pipe(data):
    for at in range(0, len(data), PLAN["read"]):
        smb.writeNamedPipe(tree, pipe, data[at:at + PLAN["read"]])


ends = [(connection.recv, connection.sendall), (from_pipe, to_pipe)]
if TURN == "second":
    ends.reverse()
while data := frame(ends[0][0]):
    ends[1][1](data)
    ends.reverse()
try:
    smb.closeFile(tree, pipe)
    smb.logoff()
except Exception as e:
    if "STATUS_FILE_CLOSED" not in str(e) and "STATUS_PIPE" not in str(e):
        raise
