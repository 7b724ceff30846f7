"""The task scheduler (MS-TSCH, ITaskSchedulerService) on the pipe atsvc."""
import re
import threading
import time
from xml.sax.saxutils import unescape

from impacket.dcerpc.v5 import tsch

from rpc import Interface

NOT_FOUND, EXISTS, NEVER_RAN = 0x80070002, 0x800700B7, 0x00041303


class Scheduler:
    def __init__(self, machine):
        self.machine, self.last = machine, {}

    def interface(self):
        operations = {number: (pair[0], getattr(self, pair[0].__name__)) for number, pair in tsch.OPNUMS.items() if hasattr(self, pair[0].__name__)}
        return Interface(tsch.MSRPC_UUID_TSCHS, "atsvc", operations)

    def name(self, request):
        return request["path"].rstrip("\0")

    def SchRpcHighestVersion(self, request, call):
        response = tsch.SchRpcHighestVersionResponse()
        response["pVersion"], response["ErrorCode"] = 0x10004, 0
        return response

    def SchRpcRegisterTask(self, request, call):
        response, name = tsch.SchRpcRegisterTaskResponse(), self.name(request)
        response["pActualPath"], response["pErrorInfo"], response["ErrorCode"] = name + "\0", tsch.NULL, 0
        if name in self.machine.tasks:
            response["ErrorCode"] = EXISTS
        self.machine.tasks[name] = request["xml"].rstrip("\0")
        return response

    def SchRpcRetrieveTask(self, request, call):
        response, name = tsch.SchRpcRetrieveTaskResponse(), self.name(request)
        response["pXml"] = self.machine.tasks.get(name, "") + "\0"
        response["ErrorCode"] = 0 if name in self.machine.tasks else NOT_FOUND
        return response

    def SchRpcEnumTasks(self, request, call):
        response = tsch.SchRpcEnumTasksResponse()
        response["startIndex"], response["pcNames"], response["pNames"], response["ErrorCode"] = 0, 0, tsch.NULL, 0
        return response

    def SchRpcRun(self, request, call):
        response, name = tsch.SchRpcRunResponse(), self.name(request)
        response["pGuid"] = self.machine.random.randbytes(16)
        response["ErrorCode"] = 0 if name in self.machine.tasks else NOT_FOUND
        if name in self.machine.tasks:
            self.last[name] = time.gmtime()
            threading.Thread(target=self.run, args=(name, self.machine.tasks[name]), daemon=True).start()
        return response

    def run(self, name, xml):
        """Runs the task's program, as the service does: not before the answer."""
        command, arguments = (unescape(re.search(f"<{tag}>(.*?)</{tag}>", xml, re.S)[1], {"&quot;": '"', "&apos;": "'"}) for tag in ("Command", "Arguments"))
        self.machine.run(f"{command} {arguments}")

    def SchRpcGetLastRunInfo(self, request, call):
        response, at = tsch.SchRpcGetLastRunInfoResponse(), self.last.get(self.name(request))
        values = (at.tm_year, at.tm_mon, (at.tm_wday + 1) % 7, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec, 0) if at else (0,) * 8
        for field, value in zip(("wYear", "wMonth", "wDayOfWeek", "wDay", "wHour", "wMinute", "wSecond", "wMilliseconds"), values):
            response["pLastRuntime"][field] = value
        response["pLastReturnCode"], response["ErrorCode"] = 0, 0 if at else NEVER_RAN
        return response

    def SchRpcDelete(self, request, call):
        response = tsch.SchRpcDeleteResponse()
        response["ErrorCode"] = 0 if self.machine.tasks.pop(self.name(request), None) is not None else NOT_FOUND
        return response
