"""Tests of the endpoint against impacket's clients, and of its cmd.exe."""
import os
import socket
import tempfile
import threading
import unittest

from impacket import ntlm
from impacket.dcerpc.v5 import scmr, transport
from impacket.dcerpc.v5.dcom import wmi as cim
from impacket.dcerpc.v5.dcomrt import OBJREF_CUSTOM
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPCException

import cmdexe
import dispatch
import image
import wmi
import wmio
from machine import Machine
from ntlmserver import Acceptor, Denied
from rpc import Connection
from services import Manager


def machine():
    root = tempfile.mkdtemp()
    os.makedirs(root + "/Windows/Temp")
    services = [dict(name="Spooler", display="Print Spooler", path="C:\\spoolsv.exe", start=2, running=True)]
    m = Machine(dict(name="SRV1", domain="CORP", user="adm", accounts={"adm": "Secret-1"}, address="10.0.0.9", root=root, seed=7, build=17763, service_list=services))
    m.tell = lambda *_: None
    return m


class Shell(unittest.TestCase):
    def run_line(self, m, line):
        return cmdexe.Shell(m, "SYSTEM", "C:\\Windows\\system32").run(line)

    def test_redirection(self):
        m = machine()
        self.run_line(m, "cmd.exe /Q /c hostname 1> \\\\127.0.0.1\\ADMIN$\\__1 2>&1")
        with open(m.root + "/Windows/__1", encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "SRV1")

    def test_batch(self):
        """A command is written to a file, which is run and removed."""
        m = machine()
        self.run_line(m, "%COMSPEC% /Q /c echo whoami ^> \\\\127.0.0.1\\C$\\__output 2^>^&1 > %TEMP%\\x.bat & %COMSPEC% /Q /c %TEMP%\\x.bat & del %TEMP%\\x.bat")
        with open(m.root + "/__output", encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "nt authority\\system")
        self.assertEqual(os.listdir(m.root + "/Windows/Temp"), [])

    def test_split(self):
        self.assertEqual(cmdexe.split('a ^& b & "c & d" && e'), ["a ^& b ", ' "c & d" ', " e"])

    def test_unknown(self):
        out, err, status = self.run_line(machine(), "nosuch /x")
        self.assertEqual((out, status), (b"", 1))
        self.assertIn(b"not recognized", err)

    def test_inside(self):
        """No path leads out of the root."""
        m = machine()
        for path in ("C:\\..\\..\\etc\\passwd", "\\\\127.0.0.1\\C$\\..\\..\\etc", "..\\..\\..\\etc"):
            self.assertTrue(os.path.normpath(m.path(path)).startswith(m.root), path)


class NTLM(unittest.TestCase):
    def accept(self, password):
        acceptor = Acceptor("SRV1", {"adm": "Secret-1"})
        first = ntlm.getNTLMSSPType1("", "", signingRequired=True)
        last, key = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "adm", password, "CORP", "", "")
        acceptor.authenticate(last.getData())
        return acceptor, key, last["flags"]

    def test_keys(self):
        acceptor, key, flags = self.accept("Secret-1")
        seal = ntlm.SEALKEY(flags, key)
        cipher = ntlm.ARC4.new(seal).encrypt
        sealed, signature = ntlm.SEAL(flags, ntlm.SIGNKEY(flags, key), seal, b"message", b"message", 0, cipher)
        self.assertEqual(acceptor.incoming.crypt(sealed), b"message")
        self.assertEqual(acceptor.incoming.sign(b"message"), signature.getData())

    def test_denied(self):
        with self.assertRaises(Denied):
            self.accept("wrong")


class RPC(unittest.TestCase):
    def dial(self, m, password="Secret-1", level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
        server = socket.create_server(("127.0.0.1", 0))

        def serve():
            c, _ = server.accept()
            with server, c:
                Connection(lambda: c.recv(4096), c.sendall, [Manager(m).interface()], m, "x").serve()
        threading.Thread(target=serve, daemon=True).start()
        binding = transport.DCERPCTransportFactory("ncacn_ip_tcp:127.0.0.1[%d]" % server.getsockname()[1])
        binding.set_credentials("adm", password, "CORP")
        rpc = binding.get_dce_rpc()
        rpc.set_auth_level(level)
        rpc.connect()
        self.addCleanup(rpc.disconnect)
        rpc.bind(scmr.MSRPC_UUID_SCMR)
        return rpc

    def test_service(self):
        """A service is made, started, and gone again; its answer is in fragments."""
        m = machine()
        m.services.update({f"s{i}": type(m.services["spooler"])(f"S{i}", "Display" * 9, "C:\\x.exe") for i in range(90)})
        rpc = self.dial(m)
        manager = scmr.hROpenSCManagerW(rpc)["lpScHandle"]
        names = [s["lpServiceName"][:-1] for s in scmr.hREnumServicesStatusW(rpc, manager)]
        self.assertEqual(len(names), 91)
        made = scmr.hRCreateServiceW(rpc, manager, "New\0", "New\0", lpBinaryPathName="%COMSPEC% /C hostname > C:\\Windows\\Temp\\o\0")["lpServiceHandle"]
        with self.assertRaises(scmr.DCERPCSessionError) as caught:
            scmr.hRStartServiceW(rpc, made)
        self.assertEqual(caught.exception.get_error_code(), 1053)
        self.assertTrue(os.path.exists(m.root + "/Windows/Temp/o"))
        scmr.hRDeleteService(rpc, made)
        self.assertNotIn("new", m.services)

    def test_wrong_password(self):
        rpc = self.dial(machine(), "wrong")
        with self.assertRaises(DCERPCException):
            scmr.hROpenSCManagerW(rpc)


class Image(unittest.TestCase):
    def test_only_the_labs(self):
        m = machine()
        with open(m.root + "/Windows/a.exe", "wb") as f:
            f.write(b"MZ\x90\0another program")
        service = type(m.services["spooler"])("A", "A", "C:\\Windows\\a.exe -o C:\\Windows\\Temp\\o -- hostname")
        self.assertEqual(image.start(m, service), 193)
        with open(m.root + "/Windows/a.exe", "wb") as f:
            f.write(image.MAGIC + b"x")
        self.assertEqual(image.start(m, service), 0)
        with open(m.root + "/Windows/Temp/o", "rb") as f:
            self.assertEqual(f.read(), b"SRV1\r\n")


class Objects(unittest.TestCase):
    def test_class(self):
        part = wmio.class_part("Win32_Process", wmi.PARENTS, wmi.PROPERTIES)
        unit = cim.ENCODING_UNIT(wmio.unit(wmio.class_block(part, wmio.methods_part(wmi.METHODS), ("SRV1", wmi.WHERE))))
        unit["ObjectBlock"].parseObject()
        current = unit["ObjectBlock"].ctCurrent
        self.assertEqual(len(current["properties"]), len(wmi.PROPERTIES))
        self.assertEqual(list(current["methods"]), [name for name, _, _ in wmi.METHODS])
        self.assertEqual(list(current["methods"]["Create"]["InParams"]), ["CommandLine", "CurrentDirectory", "ProcessStartupInformation"])

    def test_instance(self):
        unit = cim.ENCODING_UNIT(wmio.unit(wmio.instance_block("Win32_Process", wmi.PROPERTIES, {"Name": "a.exe", "ProcessId": 4})))
        unit["ObjectBlock"].parseObject()
        values = unit["ObjectBlock"].ctCurrent["properties"]
        self.assertEqual((values["Name"]["value"], values["ProcessId"]["value"], values["Caption"]["value"]), ("a.exe", 4, None))

    def test_strings(self):
        blob = b"".join(len(s).to_bytes(4, "little") + (2 * len(s)).to_bytes(4, "little") + len(s).to_bytes(4, "little") + s.encode("utf-16-le") + bytes(-2 * len(s) % 4) for s in ("7", "/c dir", "C:\\", "cmd.exe"))
        self.assertEqual(dispatch.strings(bytes(8) + blob), ["7", "/c dir", "C:\\", "cmd.exe"])


if __name__ == "__main__":
    unittest.main()
