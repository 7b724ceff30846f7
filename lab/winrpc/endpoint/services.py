"""The service manager (MS-SCMR) on the pipe svcctl."""
import os
import struct

from impacket.dcerpc.v5 import scmr

import image
from machine import Service
from rpc import Interface

BAD_HANDLE, EXISTS, NO_SERVICE, MORE_DATA, SMALL, TIMEOUT, RUNNING, STOPPED = 6, 1073, 1060, 234, 122, 1053, 1056, 1062


def text(value):
    """A string of a request without its zero."""
    return value.rstrip("\0") if isinstance(value, str) else ""


class Manager:
    """The operations. Handles are per machine, as nobody guesses them."""

    def __init__(self, machine):
        self.machine, self.handles = machine, {}

    def interface(self):
        operations = {number: (pair[0], getattr(self, pair[0].__name__[1:])) for number, pair in scmr.OPNUMS.items() if hasattr(self, pair[0].__name__[1:])}
        return Interface(scmr.MSRPC_UUID_SCMR, "svcctl", operations)

    def open(self, what):
        handle = bytes(4) + os.urandom(16)
        self.handles[handle] = what
        return handle

    def of(self, request, field="hService"):
        return self.handles.get(bytes(request[field].getData()) if not isinstance(request[field], bytes) else request[field])

    def answer(self, kind, status=0, **fields):
        response = kind()
        for name, value in fields.items():
            response[name] = value
        response["ErrorCode"] = status
        return response

    def OpenSCManagerW(self, request, call):
        return self.answer(scmr.ROpenSCManagerWResponse, lpScHandle=self.open("manager"))

    def CloseServiceHandle(self, request, call):
        handle = request["hSCObject"]
        self.handles.pop(bytes(handle.getData()) if not isinstance(handle, bytes) else handle, None)
        return self.answer(scmr.RCloseServiceHandleResponse, hSCObject=bytes(20))

    def OpenServiceW(self, request, call):
        service = self.machine.services.get(text(request["lpServiceName"]).lower())
        if service is None:
            return self.answer(scmr.ROpenServiceWResponse, NO_SERVICE, lpServiceHandle=bytes(20))
        return self.answer(scmr.ROpenServiceWResponse, lpServiceHandle=self.open(service))

    def CreateServiceW(self, request, call):
        name = text(request["lpServiceName"])
        if name.lower() in self.machine.services:
            return self.answer(scmr.RCreateServiceWResponse, EXISTS, lpdwTagId=scmr.NULL, lpServiceHandle=bytes(20))
        service = Service(name, text(request["lpDisplayName"]) or name, text(request["lpBinaryPathName"]), request["dwStartType"], kind=request["dwServiceType"])
        self.machine.services[name.lower()] = service
        return self.answer(scmr.RCreateServiceWResponse, lpdwTagId=scmr.NULL, lpServiceHandle=self.open(service))

    def DeleteService(self, request, call):
        service = self.of(request)
        if not isinstance(service, Service):
            return self.answer(scmr.RDeleteServiceResponse, BAD_HANDLE)
        self.machine.services.pop(service.name.lower(), None)
        return self.answer(scmr.RDeleteServiceResponse)

    def StartServiceW(self, request, call):
        service = self.of(request)
        if not isinstance(service, Service):
            return self.answer(scmr.RStartServiceWResponse, BAD_HANDLE)
        if service.running:
            return self.answer(scmr.RStartServiceWResponse, RUNNING)
        return self.answer(scmr.RStartServiceWResponse, self.start(service))

    def start(self, service):
        """Starts what the service's path names. A command line of cmd.exe is no
        service: it is run, and then the start times out, as on Windows."""
        if "cmd" in service.path.lower().split("/c")[0] or "%comspec%" in service.path.lower():
            self.machine.run(service.path)
            return TIMEOUT
        status = image.start(self.machine, service)
        if status == 0:
            service.running, service.restarts = True, service.restarts + 1
        return status

    def ControlService(self, request, call):
        service, control = self.of(request), request["dwControl"]
        if not isinstance(service, Service):
            return self.answer(scmr.RControlServiceResponse, BAD_HANDLE)
        status = 0
        if control == scmr.SERVICE_CONTROL_STOP:
            status, service.running = 0 if service.running else STOPPED, False
            image.stop(self.machine, service)
        response = self.answer(scmr.RControlServiceResponse, status)
        self.fill(response["lpServiceStatus"], service)
        return response

    def fill(self, status, service):
        for field, value in zip(("dwServiceType", "dwCurrentState", "dwControlsAccepted", "dwWin32ExitCode", "dwServiceSpecificExitCode", "dwCheckPoint", "dwWaitHint"), service.status()):
            status[field] = value

    def QueryServiceStatus(self, request, call):
        service = self.of(request)
        response = self.answer(scmr.RQueryServiceStatusResponse, 0 if isinstance(service, Service) else BAD_HANDLE)
        if isinstance(service, Service):
            self.fill(response["lpServiceStatus"], service)
        return response

    def ChangeServiceConfigW(self, request, call):
        service = self.of(request)
        if not isinstance(service, Service):
            return self.answer(scmr.RChangeServiceConfigWResponse, BAD_HANDLE, lpdwTagId=scmr.NULL)
        if request["dwStartType"] != scmr.SERVICE_NO_CHANGE:
            service.start = request["dwStartType"]
        if text(request["lpBinaryPathName"]):
            service.path = text(request["lpBinaryPathName"])
        return self.answer(scmr.RChangeServiceConfigWResponse, lpdwTagId=scmr.NULL)

    def QueryServiceConfigW(self, request, call):
        service = self.of(request)
        need = 36 + sum(2 * len(s) + 2 for s in (service.path, "", "/", service.account, service.display))
        response = self.answer(scmr.RQueryServiceConfigWResponse, SMALL if request["cbBufSize"] < need else 0, pcbBytesNeeded=need)
        config = response["lpServiceConfig"]
        config["dwServiceType"], config["dwStartType"], config["dwErrorControl"], config["dwTagId"] = service.kind, service.start, 1, 0
        for field, value in (("lpBinaryPathName", service.path), ("lpLoadOrderGroup", ""), ("lpDependencies", "/"), ("lpServiceStartName", service.account), ("lpDisplayName", service.display)):
            config[field] = value + "\0" if request["cbBufSize"] >= need else scmr.NULL
        return response

    def EnumServicesStatusW(self, request, call):
        wanted = {scmr.SERVICE_ACTIVE: [True], scmr.SERVICE_INACTIVE: [False]}.get(request["dwServiceState"], [True, False])
        chosen = sorted((s for s in self.machine.services.values() if s.running in wanted), key=lambda s: s.name.lower())
        strings = [(s.name.encode("utf-16-le") + b"\0\0", s.display.encode("utf-16-le") + b"\0\0") for s in chosen]
        need = sum(36 + len(a) + len(b) for a, b in strings)
        size = request["cbBufSize"]
        if size < need:
            return struct.pack("<L", size) + bytes(size) + bytes(-size % 4) + struct.pack("<LLLLL", need, 0, 1, 0, MORE_DATA)
        entries, tail, at = b"", b"", size
        for service, (name, display) in zip(chosen, strings):
            at -= len(display)
            display_at, tail = at, display + tail
            at -= len(name)
            name_at, tail = at, name + tail
            entries += struct.pack("<LL7L", name_at, display_at, *service.status())
        data = entries + bytes(size - len(entries) - len(tail)) + tail
        resume = struct.pack("<LL", 1, 0)
        return struct.pack("<L", size) + data + bytes(-size % 4) + struct.pack("<LL", 0, len(chosen)) + resume + struct.pack("<L", 0)
