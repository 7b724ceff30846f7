"""Encodes and decodes CIM objects (MS-WMIO): classes with methods, and
instances of classes that know no defaults."""
import struct

STRING, UINT32, UINT16, UINT64, DATETIME, OBJECT, BOOLEAN = 8, 19, 18, 21, 101, 13, 11
NAMES = {STRING: "string", UINT32: "uint32", UINT16: "uint16", UINT64: "uint64", DATETIME: "datetime", OBJECT: "object", BOOLEAN: "boolean"}
SIZES = {STRING: "L", UINT32: "L", UINT16: "H", UINT64: "Q", DATETIME: "L", OBJECT: "L", BOOLEAN: "H"}
NONE = 0xFFFFFFFF
CIMTYPE, KEY = 0x8000000A, 0x80000001


class Heap:
    """The strings and other parts to which an object refers by their place."""

    def __init__(self):
        self.data = b""

    def add(self, data):
        self.data += data
        return len(self.data) - len(data)

    def string(self, text):
        return self.add(encoded(text))

    def encode(self):
        return struct.pack("<L", len(self.data) | 0x80000000) + self.data


def encoded(text):
    if text.isascii():
        return b"\0" + text.encode() + b"\0"
    return b"\1" + text.encode("utf-16-le") + b"\0\0"


def qualifiers(heap, pairs):
    """A set of (name or dictionary number, string or True)."""
    body = b""
    for name, value in pairs:
        reference = name if isinstance(name, int) else heap.string(name)
        if value is True:
            body += struct.pack("<LBLH", reference, 3, BOOLEAN, 0xFFFF)
        else:
            body += struct.pack("<LBLL", reference, 3, STRING, heap.string(value))
    return struct.pack("<L", 4 + len(body)) + body


def null_table(count):
    """Two bits for each property: it is null."""
    return bytes(sum(1 << 2 * j for j in range(min(4, count - 4 * i))) for i in range((count + 3) // 4))


def class_part(name, parents, properties, extra=()):
    """properties is [(name, type, qualifiers)]."""
    heap, lookup, offset = Heap(), [], 0
    name_reference = heap.string(name) if name else NONE
    own = qualifiers(heap, extra)
    for order, (key, kind, more) in enumerate(properties):
        name_at = heap.string(key)
        info = struct.pack("<LHLL", kind, order, offset, 0) + qualifiers(heap, [(CIMTYPE, NAMES[kind]), *more])
        lookup.append((key.lower(), name_at, heap.add(info)))
        offset += struct.calcsize("<" + SIZES[kind])
    table = struct.pack("<L", len(lookup)) + b"".join(struct.pack("<LL", a, b) for _, a, b in sorted(lookup))
    values = null_table(len(properties)) + b"\xff" * offset
    ancestry = b"".join(encoded(p) + struct.pack("<L", len(encoded(p))) for p in parents)
    body = struct.pack("<BLL", 0, name_reference, len(values)) + struct.pack("<L", 4 + len(ancestry)) + ancestry + own + table + values + heap.encode()
    return struct.pack("<L", 4 + len(body)) + body


def methods_part(methods):
    """methods is [(name, parameters in, parameters out)]; None is none."""
    heap, body = Heap(), b""
    for name, taken, given in methods:
        at = heap.string(name)
        signatures = []
        for parameters in (taken, given):
            if parameters is None:
                signatures.append(NONE)
                continue
            block = class_block(class_part("__PARAMETERS", (), [(n, k, [("ID", str(i))]) for i, (n, k) in enumerate(parameters)]), methods_part([]))
            signatures.append(heap.add(struct.pack("<L", len(block)) + block))
        marks = heap.add(qualifiers(heap, [("Implemented", True), ("MappingStrings", f"Win32API|Process and Thread Functions|{name}")]))
        body += struct.pack("<LB3xLLLL", at, 0, 0, marks, *signatures)
    inner = struct.pack("<HH", len(methods), 0) + body + heap.encode()
    return struct.pack("<L", 4 + len(inner)) + inner


def class_block(part, methods, where=None):
    """The object block of a class without a parent that is encoded."""
    return head(1, where) + class_part("", (), []) + methods_part([]) + part + methods


def head(flags, where):
    """Flags, and the server and namespace that an object is from."""
    return bytes([flags]) if where is None else bytes([flags | 4]) + encoded(where[0]) + encoded(where[1])


def instance_block(name, properties, values, where=None, part=None):
    """An instance; values are strings and numbers by name, the others null."""
    heap, table, marks = Heap(), b"", 0
    name_at = heap.string(name)
    for order, (key, kind, _) in enumerate(properties):
        value = values.get(key)
        if value is None:
            marks |= 1 << 2 * order
            table += struct.pack("<" + SIZES[kind], 0)
        else:
            table += struct.pack("<" + SIZES[kind], heap.string(value) if isinstance(value, str) else value)
    marked = marks.to_bytes((len(properties) + 3) // 4, "little")
    body = struct.pack("<BL", 0, name_at) + marked + table + struct.pack("<LB", 4, 1) + heap.encode()
    return head(2, where) + (part or class_part(name, (), properties)) + struct.pack("<L", 4 + len(body)) + body


def unit(block):
    return struct.pack("<LL", 0x12345678, len(block)) + block
