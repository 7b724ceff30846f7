"""The acceptor's side of NTLM (MS-NLMP): version 2, 128 bits, key exchange."""
import hashlib
import hmac
import os
import struct
import time

from Cryptodome.Cipher import ARC4
from Cryptodome.Hash import MD4

UNICODE, OEM, SIGN, SEAL, NTLM, ALWAYS_SIGN = 0x1, 0x2, 0x10, 0x20, 0x200, 0x8000
TARGET_SERVER, EXTENDED, TARGET_INFO, VERSION = 0x20000, 0x80000, 0x800000, 0x2000000
KEY_128, KEY_EXCHANGE, KEY_56, REQUEST_TARGET = 0x20000000, 0x40000000, 0x80000000, 0x4
OFFERED = UNICODE | SIGN | SEAL | NTLM | ALWAYS_SIGN | EXTENDED | VERSION | KEY_128 | KEY_EXCHANGE | KEY_56 | REQUEST_TARGET
SIGNATURE = b"NTLMSSP\0"


class Denied(Exception):
    """The credentials are wrong."""


def nt_hash(password):
    return MD4.new(password.encode("utf-16-le")).digest()


def md5(*parts):
    return hashlib.md5(b"".join(parts)).digest()


def hmac_md5(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.md5).digest()


class Acceptor:
    """One authentication, and then the protection of messages."""

    def __init__(self, name, accounts):
        """name is the computer's; accounts maps user names to passwords."""
        self.name, self.accounts = name, {u.lower(): p for u, p in accounts.items()}
        self.user = None  # once it is known

    def challenge(self, negotiate):
        flags = struct.unpack_from("<L", negotiate, 12)[0] & OFFERED | TARGET_SERVER | TARGET_INFO
        if not flags & UNICODE:
            flags |= OEM
        self.flags, self.nonce = flags, os.urandom(8)
        name = self.name.encode("utf-16-le")
        target = name if flags & UNICODE else self.name.encode()
        now = struct.pack("<Q", int((time.time() + 11644473600) * 10**7))
        info = b"".join(struct.pack("<HH", i, len(v)) + v for i, v in ((2, name), (1, name), (4, name), (3, name), (7, now), (0, b"")))
        head = SIGNATURE + struct.pack("<LHHL", 2, len(target), len(target), 56) + struct.pack("<L", flags) + self.nonce + bytes(8)
        head += struct.pack("<HHL", len(info), len(info), 56 + len(target)) + bytes([10, 0, 0x63, 0x45, 0, 0, 0, 15])
        return head + target + info

    def authenticate(self, message):
        """Takes the last message and makes the keys; raises Denied."""
        def field(at):
            size, _, offset = struct.unpack_from("<HHL", message, at)
            return message[offset:offset + size]
        charset = "utf-16-le" if self.flags & UNICODE else "cp437"
        response, domain, user, key = field(20), field(28).decode(charset), field(36).decode(charset), field(52)
        if user.lower() not in self.accounts or len(response) < 40:
            raise Denied(user)
        secret = hmac_md5(nt_hash(self.accounts[user.lower()]), (user.upper() + domain).encode("utf-16-le"))
        if hmac_md5(secret, self.nonce, response[16:]) != response[:16]:
            raise Denied(user)
        session = hmac_md5(secret, response[:16])
        if self.flags & KEY_EXCHANGE:
            session = ARC4.new(session).decrypt(key)
        self.user = user
        self.incoming = Direction(session, b"client-to-server", self.flags)
        self.outgoing = Direction(session, b"server-to-client", self.flags)


class Direction:
    """The keys of one direction and its counter."""

    def __init__(self, session, name, flags):
        self.sign_key = md5(session, b"session key to ", name, b" signing key magic constant\0")
        self.rc4 = ARC4.new(md5(session, b"session key to ", name, b" sealing key magic constant\0"))
        self.exchanged = flags & KEY_EXCHANGE
        self.sequence = 0

    def crypt(self, data):
        return self.rc4.encrypt(data)

    def sign(self, data):
        number = struct.pack("<L", self.sequence)
        self.sequence += 1
        check = hmac_md5(self.sign_key, number, data)[:8]
        if self.exchanged:
            check = self.rc4.encrypt(check)
        return b"\1\0\0\0" + check + number
