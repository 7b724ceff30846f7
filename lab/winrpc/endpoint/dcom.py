"""DCOM (MS-DCOM): activation on port 135, and the objects on another port."""
import os
import socket
import struct
import threading

from impacket.dcerpc.v5 import dcomrt
from impacket.dcerpc.v5.dtypes import NULL
from impacket.dcerpc.v5.dcom import wmi as wmi_ids
from impacket.dcerpc.v5.dcom.oaut import IID_IDispatch
from impacket.uuid import string_to_bin

import dispatch
import wmi
from rpc import Connection, Interface

NOT_REGISTERED = 0x80040154


class Objects:
    """The objects of a machine: each reference has an identity of its own."""

    def __init__(self, machine):
        self.machine, self.what = machine, {}
        self.oxid, self.unknown, self.last = os.urandom(8), os.urandom(16), b""

    def run(self, line, account, directory):
        """Starts a process. It may have ended before the answer is there: clients
        that wait for its output then find it, as files that are written are not
        locked as on Windows."""
        thread = threading.Thread(target=self.machine.run, args=(line, account, directory), daemon=True)
        thread.start()
        thread.join(4)

    def answer(self, kind):
        response = kind()
        response["ORPCthat"]["flags"], response["ORPCthat"]["extensions"] = 0, NULL
        return response

    def bindings(self):
        """The string and security bindings, and where the latter begin."""
        strings = b"".join(struct.pack("<H", 7) + f"{a}[{self.machine.port}]\0".encode("utf-16-le") for a in (self.machine.name, self.machine.address)) + b"\0\0"
        security = b"".join(struct.pack("<HHH", s, 0xFFFF, 0) for s in (9, 30, 16, 10)) + b"\0\0"
        return strings + security, len(strings) // 2

    def reference(self, iid, what):
        """Marshals a reference to a new object."""
        self.last = os.urandom(16)
        self.what[self.last] = what
        return b"MEOW" + struct.pack("<L", 1) + iid[:16] + struct.pack("<LL", 0x280, 5) + self.oxid + os.urandom(8) + self.last + self.packed()

    def packed(self):
        data, security = self.bindings()
        return struct.pack("<HH", len(data) // 2, security) + data

    def point(self, pointer, data):
        """Lets an interface pointer of a response be data."""
        pointer["ulCntData"], pointer["abData"] = len(data), list(data)

    def dual(self, target):
        data, security = self.bindings()
        target["wNumEntries"], target["wSecurityOffset"] = len(data) // 2, security
        target["aStringArray"] = list(struct.unpack(f"<{len(data) // 2}H", data))


class Activator:
    """What listens on port 135."""

    def __init__(self, objects):
        self.objects = objects

    def interfaces(self):
        return [
            Interface(dcomrt.IID_IRemoteSCMActivator, "IRemoteSCMActivator", {4: (dcomrt.RemoteCreateInstance, self.create)}),
            Interface(dcomrt.IID_IObjectExporter, "IObjectExporter", {5: (dcomrt.ServerAlive2, self.alive), 1: (dcomrt.SimplePing, self.ping), 2: (dcomrt.ComplexPing, self.ping_set)}),
        ]

    def alive(self, request, call):
        response = dcomrt.ServerAlive2Response()
        self.objects.dual(response["ppdsaOrBindings"])
        response["pReserved"], response["ErrorCode"] = 0, 0
        return response

    def ping(self, request, call):
        return struct.pack("<L", 0)

    def ping_set(self, request, call):
        response = dcomrt.ComplexPingResponse()
        response["pSetId"], response["pPingBackoffFactor"], response["ErrorCode"] = int.from_bytes(os.urandom(4), "little"), 0, 0
        return response

    def create(self, request, call):
        response = self.objects.answer(dcomrt.RemoteCreateInstanceResponse)
        asked = b"".join(request["pActProperties"]["abData"])
        if wmi_ids.CLSID_WbemLevel1Login in asked:
            iid, what = wmi_ids.IID_IWbemLevel1Login, "login"
        else:
            found = [name for clsid, name in dispatch.CLASSES.items() if string_to_bin(clsid) in asked]
            if not found:
                response["ppActProperties"], response["ErrorCode"] = NULL, NOT_REGISTERED
                return response
            iid, what = IID_IDispatch, found[0]
        self.objects.point(response["ppActProperties"], self.activated(iid, what))
        response["ErrorCode"] = 0
        return response

    def activated(self, iid, what):
        """The properties that say where a new object is."""
        out = dcomrt.PropsOutInfo()
        out["cIfs"] = 1
        item = dcomrt.IID()
        item["Data"] = iid
        out["piid"].append(item)
        result = dcomrt.HRESULT()
        result["Data"] = 0
        out["phresults"].append(result)
        pointer = dcomrt.PMInterfacePointer()
        self.objects.point(pointer, self.objects.reference(iid, what))
        out["ppIntfData"].append(pointer)
        reply = dcomrt.ScmReplyInfoData()
        reply["pdwReserved"] = 0
        remote = reply["remoteReply"]
        remote["Oxid"], remote["ipidRemUnknown"], remote["authnHint"] = int.from_bytes(self.objects.oxid, "little"), self.objects.unknown, 6
        remote["serverVersion"]["MajorVersion"], remote["serverVersion"]["MinorVersion"] = 5, 7
        self.objects.dual(remote["pdsaOxidBindings"])
        blob = dcomrt.ACTIVATION_BLOB()
        header, properties = blob["CustomHeader"], b""
        header["destCtx"], header["cIfs"], header["pdwReserved"], header["classInfoClsid"] = 2, 2, NULL, bytes(16)
        for part, clsid in ((out, dcomrt.CLSID_PropsOutInfo), (reply, dcomrt.CLSID_ScmReplyInfo)):
            data = part.getData() + part.getDataReferents()
            data += b"\xfa" * (-len(data) % 8)
            size, identity = dcomrt.DWORD(), dcomrt.CLSID()
            size["Data"], identity["Data"] = len(data), clsid
            header["pSizes"].append(size)
            header["pclsid"].append(identity)
            properties += data
        blob["Property"] = properties
        reference = dcomrt.OBJREF_CUSTOM()
        reference["iid"], reference["clsid"], reference["cbExtension"] = dcomrt.IID_IActivationPropertiesOut[:-4], dcomrt.CLSID_ActivationPropertiesOut, 0
        reference["pObjectData"] = blob.getData()
        reference["ObjectReferenceSize"] = len(reference["pObjectData"]) + 8
        return reference.getData()


def release(objects):
    def serve(request, call):
        response = objects.answer(dcomrt.RemReleaseResponse)
        response["ErrorCode"] = 0
        return response
    return [Interface(iid, "IRemUnknown", {5: (dcomrt.RemRelease, serve)}) for iid in (dcomrt.IID_IRemUnknown, dcomrt.IID_IRemUnknown2)]


def serve(machine):
    objects = Objects(machine)
    others = wmi.Wmi(machine, objects).interfaces() + dispatch.Dispatch(machine, objects).interfaces() + release(objects)
    for port, interfaces in ((135, Activator(objects).interfaces()), (machine.port, others)):
        threading.Thread(target=listen, args=(machine, port, interfaces), daemon=True).start()


def listen(machine, port, interfaces):
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            c, _ = server.accept()
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=converse, args=(machine, c, port, interfaces), daemon=True).start()


def converse(machine, c, port, interfaces):
    with c:
        try:
            Connection(lambda: c.recv(65536), c.sendall, interfaces, machine, str(port)).serve()
        except OSError:
            pass  # the client has gone
