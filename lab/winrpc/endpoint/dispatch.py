"""IDispatch (MS-OAUT) of the objects by which programs can be started: the
management console, and the shell's windows."""
import struct

from impacket.dcerpc.v5.dcom import oaut
from impacket.dcerpc.v5.dtypes import NULL

from rpc import Interface

CLASSES = {"49B2791A-B1AE-4C90-9B8E-E860BA07F889": "MMC20", "9BA05972-F6A8-11CF-A442-00A0C90A8F39": "ShellWindows", "C08AFD90-F2A1-11D1-8455-00A0C91F3880": "ShellBrowserWindow"}
# The members that are other objects, and those that start a program, with where
# its name, folder and arguments are among the strings from the end.
OBJECTS = ("document", "activeview", "item", "application")
STARTERS = {"executeshellcommand": (-1, -2, -3), "shellexecute": (-1, -3, -2)}
NAMES = ("quit", *OBJECTS, *STARTERS)
UNKNOWN_NAME, EMPTY, DISPATCH = 0x80020006, 0, 9


class Dispatch:
    def __init__(self, machine, objects):
        self.machine, self.objects = machine, objects

    def interfaces(self):
        return [Interface(oaut.IID_IDispatch, "IDispatch", {5: (oaut.IDispatch_GetIDsOfNames, self.names), 6: (None, self.invoke)})]

    def names(self, request, call):
        response = self.objects.answer(oaut.IDispatch_GetIDsOfNamesResponse)
        asked = [n["Data"].rstrip("\0").lower() for n in request["rgszNames"]]
        response["rgDispId"] = [NAMES.index(n) + 100 if n in NAMES else 0xFFFFFFFF for n in asked]
        response["ErrorCode"] = 0 if all(n in NAMES for n in asked) else UNKNOWN_NAME
        return response

    def invoke(self, stub, call):
        # ORPCTHIS without extensions is 32 bytes, then comes the member.
        number = struct.unpack_from("<L", stub, 32)[0]
        member = NAMES[number - 100] if number >= 100 else "value"
        response = self.objects.answer(oaut.IDispatch_InvokeResponse)
        result = response["pVarResult"]
        result["clSize"], result["rpcReserved"], result["vt"], result["wReserved1"], result["wReserved2"], result["wReserved3"] = 3, 0, EMPTY, 0, 0, 0
        result["_varUnion"]["tag"] = EMPTY
        if member in OBJECTS:
            result["vt"] = result["_varUnion"]["tag"] = DISPATCH
            self.objects.point(result["_varUnion"]["pdispVal"], self.objects.reference(oaut.IID_IDispatch, member))
        elif member in STARTERS:
            program, folder, arguments = (strings(stub)[i] for i in STARTERS[member])
            self.objects.run(f"{program} {arguments}", call.connection.auth.user, folder)
        for field in ("wCode", "wReserved", "dwHelpContext", "pvReserved", "pfnDeferredFillIn", "scode"):
            response["pExcepInfo"][field] = 0
        for field in ("bstrSource", "bstrDescription", "bstrHelpFile"):
            response["pExcepInfo"][field] = NULL
        response["pArgErr"], response["ErrorCode"] = 0, 0
        return response


def strings(stub):
    """The BSTRs of a request in their order: FLAGGED_WORD_BLOBs, which are the
    count, the bytes, the count again, and the characters."""
    found, at = [], 0
    while at + 12 <= len(stub):
        count, size, again = struct.unpack_from("<LLL", stub, at)
        if count and count == again and size == 2 * count and at + 12 + size <= len(stub):
            found.append(stub[at + 12:at + 12 + size].decode("utf-16-le").rstrip("\0"))
            at += 12 + size + -size % 4
            continue
        at += 4
    return found
