"""The server's side of DCE/RPC (C706, MS-RPCE), connection-oriented: binds,
fragments, faults, and packet integrity and privacy by NTLM."""
import struct
import time
import uuid

from ntlmserver import Acceptor, Denied

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_RESP, AUTH3 = 0, 2, 3, 11, 12, 13, 14, 15, 16
FIRST, LAST, OBJECT = 1, 2, 0x80
NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<L", 2)
FEATURES = bytes.fromhex("2c1cb76c129840450300000000000000")[:8]  # bind-time feature negotiation
WINNT, INTEGRITY, PRIVACY = 10, 5, 6
MOST = 5840  # bytes of a fragment
FAULT_OPNUM, FAULT_ACCESS = 0x1C010002, 5


class Fault(Exception):
    """A call that fails with a DCE/RPC status."""

    def __init__(self, status):
        super().__init__(hex(status))
        self.status = status


class Call:
    """What an interface gets: the stub, the object and who calls."""

    def __init__(self, connection, interface, opnum, object_id, stub):
        self.connection, self.interface, self.opnum, self.object, self.stub = connection, interface, opnum, object_id, stub


class Interface:
    """One interface: its id and version and a method for each operation. A
    method takes the decoded request and the call and returns a response with
    getData, or bytes."""

    def __init__(self, syntax, name, operations):
        """operations maps opnums to (class of the request or None, function)."""
        self.syntax, self.name, self.operations = syntax, name, operations

    def serve(self, call):
        if call.opnum not in self.operations:
            raise Fault(FAULT_OPNUM)
        kind, function = self.operations[call.opnum]
        answer = function(kind(call.stub) if kind else call.stub, call)
        return answer if isinstance(answer, bytes) else answer.getData()


class Connection:
    """One connection. receive() returns bytes or b"" at the end, send() sends
    one PDU."""

    def __init__(self, receive, send, interfaces, machine, endpoint):
        self.receive, self.send, self.machine, self.endpoint = receive, send, machine, endpoint
        self.interfaces = {i.syntax.ljust(20, b"\0"): i for i in interfaces}
        self.contexts, self.parts, self.buffer = {}, {}, b""
        self.auth, self.level, self.auth_context = None, 0, 0

    def serve(self):
        while pdu := self.read():
            _, _, kind, flags, _, size, auth_size, call_id = struct.unpack_from("<BBBBLHHL", pdu)
            trailer = pdu[size - auth_size - 8:size] if auth_size else b""
            if kind in (BIND, ALTER):
                self.bind(kind, call_id, pdu, trailer)
            elif kind == AUTH3:
                self.finish(trailer[8:])
            elif kind == REQUEST:
                self.request(flags, call_id, pdu, trailer)

    def read(self):
        while len(self.buffer) < 16 or len(self.buffer) < struct.unpack_from("<H", self.buffer, 8)[0]:
            data = self.receive()
            if not data:
                return b""
            self.buffer += data
        size = struct.unpack_from("<H", self.buffer, 8)[0]
        pdu, self.buffer = self.buffer[:size], self.buffer[size:]
        return pdu

    def bind(self, kind, call_id, pdu, trailer):
        results = b""
        count, at = pdu[24], 28
        for _ in range(count):
            context, transfers = struct.unpack_from("<HB", pdu, at)
            syntax = pdu[at + 4:at + 24]
            offered = [pdu[at + 24 + 20 * i:at + 44 + 20 * i] for i in range(transfers)]
            at += 24 + 20 * transfers
            if offered and offered[0].startswith(FEATURES):
                results += struct.pack("<HH", 3, 3) + bytes(20)
            elif syntax not in self.interfaces:
                results += struct.pack("<HH", 2, 1) + bytes(20)
            elif NDR not in offered:
                results += struct.pack("<HH", 2, 2) + bytes(20)
            else:
                self.contexts[context] = self.interfaces[syntax]
                results += struct.pack("<HH", 0, 0) + NDR
        reply = b""
        if trailer:
            reply = self.negotiate(trailer)
        address = self.endpoint.encode() + b"\0" if kind == BIND else b""
        body = struct.pack("<HHLH", MOST, MOST, 0x4F21, len(address)) + address
        body += bytes(-(len(body) + 16) % 4) + struct.pack("<Bxxx", count) + results
        self.send(self.pdu(BIND_ACK if kind == BIND else ALTER_RESP, FIRST | LAST, call_id, body, reply))

    def negotiate(self, trailer):
        """Returns the trailer of the answer to a bind."""
        kind, level, _, _, context = struct.unpack_from("<BBBBL", trailer)
        token = trailer[8:]
        if kind != WINNT or not token.startswith(b"NTLMSSP\0"):
            return b""
        if token[8] == 3:
            self.finish(token)
            return b""
        self.level, self.auth_context = level, context
        self.auth = Acceptor(self.machine.name, self.machine.accounts)
        return struct.pack("<BBBBL", WINNT, level, 0, 0, context) + self.auth.challenge(token)

    def finish(self, token):
        try:
            self.auth.authenticate(token)
        except Denied:
            self.auth.user = None

    def pdu(self, kind, flags, call_id, body, trailer=b""):
        auth = max(len(trailer) - 8, 0)
        return struct.pack("<BBBBLHHL", 5, 0, kind, flags, 0x10, 16 + len(body) + len(trailer), auth, call_id) + body + trailer

    def request(self, flags, call_id, pdu, trailer):
        _, context, opnum = struct.unpack_from("<LHH", pdu, 16)
        if self.auth and not self.auth.user:
            return self.fault(call_id, context, FAULT_ACCESS)
        at, end = 24, len(pdu)
        object_id = b""
        if flags & OBJECT:
            object_id, at = pdu[24:40], 40
        if trailer:
            end -= len(trailer)
            pad = trailer[2]
            stub = pdu[at:end]
            if self.level == PRIVACY:
                stub = self.auth.incoming.crypt(stub)
            if self.level in (INTEGRITY, PRIVACY):
                if self.auth.incoming.sign(pdu[:at] + stub + trailer[:8]) != trailer[8:]:
                    return self.fault(call_id, context, FAULT_ACCESS)
            stub = stub[:len(stub) - pad]
        else:
            stub = pdu[at:end]
        self.parts[call_id] = self.parts.get(call_id, b"") + stub
        if not flags & LAST:
            return None
        stub = self.parts.pop(call_id)
        if context not in self.contexts:
            return self.fault(call_id, context, FAULT_ACCESS)
        interface = self.contexts[context]
        began = time.time_ns()
        try:
            answer = interface.serve(Call(self, interface, opnum, object_id, stub))
        except Fault as f:
            return self.fault(call_id, context, f.status)
        self.respond(call_id, context, answer)
        self.machine.tell(began, "call", f"{interface.name} {opnum}")
        return None

    def fault(self, call_id, context, status):
        self.respond(call_id, context, struct.pack("<LL", status, 0), FAULT)

    def respond(self, call_id, context, stub, kind=RESPONSE):
        protected = self.auth and self.auth.user and self.level in (INTEGRITY, PRIVACY)
        room = (MOST - 24 - (24 if protected else 0)) // 16 * 16
        for at in range(0, max(len(stub), 1), room):
            part = stub[at:at + room]
            flags = (FIRST if at == 0 else 0) | (LAST if at + room >= len(stub) else 0)
            head = struct.pack("<LHBB", len(stub) - at, context, 0, 0)
            if not protected:
                self.send(self.pdu(kind, flags, call_id, head + part))
                continue
            pad = -len(part) % 16
            part += bytes(pad)
            trailer = struct.pack("<BBBBL", WINNT, self.level, pad, 0, self.auth_context)
            clear = self.pdu(kind, flags, call_id, head + part, trailer + bytes(16))[:-16]
            out = self.auth.outgoing
            sealed = out.crypt(part) if self.level == PRIVACY else part
            self.send(clear[:24] + sealed + trailer + out.sign(clear))
