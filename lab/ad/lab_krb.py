"""A client of Kerberos (RFC 4120) that asks for exactly what it is told, with impacket's cryptography."""
import datetime
import hashlib
import os
import random
import socket
import struct

import lab_ad
from impacket.krb5 import asn1, crypto
from pyasn1.codec.der import decoder, encoder

RC4, AES128, AES256 = 23, 17, 18
UNKNOWN, REVOKED, PREAUTH_FAILED, PREAUTH_REQUIRED, TOO_BIG = 6, 18, 24, 25, 52
CHECKSUMS = {RC4: -138, AES128: 15, AES256: 16}


# The ends of the connections that ask opened.
opened = []


class Refused(Exception):
    """The service answered with an error."""

    def __init__(self, code, data):
        super().__init__("Kerberos error %d" % code)
        self.code, self.data = code, data


def der(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 128:
        return bytes((tag, n)) + body
    length = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(length))) + length + body


def field(n, content):
    return der(0xA0 | n, content)


def sequence(*parts):
    return der(0x30, *parts)


def integer(n):
    return der(2, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def octets(data):
    return der(4, data)


def text(s):
    return der(0x1B, s.encode())


def flags(value):
    return der(3, b"\0", struct.pack(">I", value))


def moment(when):
    return der(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def principal(name, kind=1):
    return sequence(field(0, integer(kind)), field(1, sequence(*(text(part) for part in name.split("/")))))


def encrypted(key, usage, data):
    return sequence(field(0, integer(key.enctype)), field(2, octets(crypto.encrypt(key, usage, data, os.urandom(8 if key.enctype == RC4 else 16)))))


def padata(kind, data):
    return sequence(field(1, integer(kind)), field(2, octets(data)))


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def body(realm, server, types, client=None):
    parts = [field(0, flags(0x40810010))]
    if client:
        parts.append(field(1, principal(client)))
    return sequence(*parts, field(2, text(realm)), field(3, principal(server, 2)), field(5, moment(now() + datetime.timedelta(days=1))),
                    field(7, integer(random.getrandbits(31))), field(8, sequence(*(integer(t) for t in types))))


def request(kind, data, asked):
    parts = [field(1, integer(5)), field(2, integer(kind))]
    if data:
        parts.append(field(3, sequence(*data)))
    return der(0x60 | kind, sequence(*parts, field(4, asked)))


def exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise ConnectionError("the answer was cut short")
        data += part
    return data


def connected(kdc):
    """A connection to a Kerberos server, which takes one request."""
    return socket.create_connection((kdc, 88), timeout=60)


def ask(kdc, message, udp=False):
    """Sends a request to a Kerberos server, or on a connection to one, and returns the answer: by TCP, if it is too large for UDP or UDP is not wanted."""
    if isinstance(kdc, socket.socket):
        kdc.sendall(struct.pack(">I", len(message)) + message)
        return exactly(kdc, struct.unpack(">I", exactly(kdc, 4))[0])
    if udp and len(message) < 1400:
        answer = datagram(kdc, message)
        if not (answer[0] == 0x7E and error(answer).code == TOO_BIG):
            return answer
    with connected(kdc) as s:
        opened.append(lab_ad.ends(s))
        return ask(s, message)


def datagram(kdc, message):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((kdc, 88))
        for patience in (2, 4, 8, 16):
            s.settimeout(patience)
            s.send(message)
            try:
                return s.recv(65535)
            except socket.timeout:
                continue
    raise TimeoutError("no answer to a datagram")


def content(data):
    """What is in a DER element."""
    return data[2:] if data[1] < 128 else data[2 + (data[1] & 127):]


def error(answer):
    e = decoder.decode(answer, asn1Spec=asn1.KRB_ERROR())[0]
    return Refused(int(e["error-code"]), bytes(e["e-data"]) if e["e-data"].hasValue() else b"")


def reply(answer, kind):
    if answer[0] == 0x7E:
        raise error(answer)
    return decoder.decode(answer, asn1Spec=kind)[0]


def salt(data, enctype):
    """The salt of a key, from the error that asks for pre-authentication."""
    for entry in decoder.decode(data, asn1Spec=asn1.METHOD_DATA())[0]:
        if int(entry["padata-type"]) == 19:
            for info in decoder.decode(bytes(entry["padata-value"]), asn1Spec=asn1.ETYPE_INFO2())[0]:
                if int(info["etype"]) == enctype:
                    return str(info["salt"]) if info["salt"].hasValue() else ""
    return ""


def password_key(enctype, password, salted):
    """The key of a password, for an AES type: impacket's own function takes seconds on a busy machine."""
    profile = crypto._get_enctype_profile(enctype)
    seed = hashlib.pbkdf2_hmac("sha1", password.encode(), salted.encode(), 4096, profile.seedsize)
    return profile.derive(profile.random_to_key(seed), b"kerberos")


def without_preauth(kdc, realm, user, types, udp=False):
    """Asks for a ticket-granting ticket without a proof of who asks. Only some accounts get one."""
    return reply(ask(kdc, request(10, [], body(realm, "krbtgt/" + realm, types, user)), udp), asn1.AS_REP())


class Ticket:
    """A ticket-granting ticket and its session key."""

    def __init__(self, client, realm, ticket, key):
        self.client, self.realm, self.ticket, self.key = client, realm, ticket, key


def login(kdc, realm, user, password, enctype=AES256, udp=False):
    """Gets a ticket-granting ticket: it is refused once, as the salt is not known before, then it proves the password."""
    try:
        without_preauth(kdc, realm, user, [enctype], udp)
        proof = []
        key = None
    except Refused as e:
        if e.code != PREAUTH_REQUIRED:
            raise
        key = password_key(enctype, password, salt(e.data, enctype))
        when = now()
        proof = [padata(2, encrypted(key, 1, sequence(field(0, moment(when)), field(1, integer(when.microsecond)))))]
    answer = reply(ask(kdc, request(10, proof, body(realm, "krbtgt/" + realm, [enctype], user)), udp), asn1.AS_REP())
    key = key or password_key(enctype, password, realm + user)
    part = decoder.decode(crypto.decrypt(key, 3, bytes(answer["enc-part"]["cipher"])), asn1Spec=asn1.EncASRepPart())[0]
    session = crypto.Key(int(part["key"]["keytype"]), bytes(part["key"]["keyvalue"]))
    return Ticket(user, realm, content(encoder.encode(answer["ticket"])), session)


def service(kdc, tgt, name, types, udp=False):
    """Asks for a ticket of a service. Returns the encryption type of what only the service can read, and that part."""
    asked = body(tgt.realm, name, types)
    kind = CHECKSUMS[tgt.key.enctype]
    checksum = sequence(field(0, integer(kind)), field(1, octets(crypto.make_checksum(kind, tgt.key, 6, asked))))
    when = now()
    authenticator = der(0x62, sequence(field(0, integer(5)), field(1, text(tgt.realm)), field(2, principal(tgt.client)), field(3, checksum),
                                       field(4, integer(when.microsecond)), field(5, moment(when))))
    proof = der(0x6E, sequence(field(0, integer(5)), field(1, integer(14)), field(2, flags(0)), field(3, tgt.ticket), field(4, encrypted(tgt.key, 7, authenticator))))
    answer = reply(ask(kdc, request(12, [padata(1, proof)], asked), udp), asn1.TGS_REP())
    secret = answer["ticket"]["enc-part"]
    return int(secret["etype"]), bytes(secret["cipher"])
