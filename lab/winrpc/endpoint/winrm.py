"""WinRM (WS-Management, MS-WSMV) over HTTP and HTTPS: the shell's Create,
Command, Send, Receive, Signal and Delete, for Basic and NTLM with encryption of
messages."""
import base64
import http.server
import re
import ssl
import struct
import threading
import time
import uuid
from xml.sax.saxutils import escape, unescape

from ntlmserver import Acceptor, Denied

PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TIMED_OUT = "2150858793"
MOST = 32 << 10  # bytes of output in one answer


class Command:
    """A command of a shell. Its output comes when it is over."""

    def __init__(self, machine, line, account, cwd):
        self.done, self.out, self.err, self.status = threading.Event(), b"", b"", 0

        def run():
            self.out, self.err, self.status = machine.run(line, account, cwd)
            self.done.set()
        threading.Thread(target=run, daemon=True).start()


class Service:
    """The shells of a machine."""

    def __init__(self, machine):
        self.machine, self.shells = machine, {}

    def answer(self, message, user):
        """Returns the status and the answer to an envelope, and what it was."""
        action = re.search(r"Action[^>]*>\s*([^<\s]+)", message)[1]
        name = action.rsplit("/", 1)[-1]
        body = getattr(self, name.lower())(message, user)
        status = 500 if "Fault>" in body else 200
        related = re.search(r"MessageID[^>]*>\s*([^<\s]+)", message)
        reply = action + "Response" if status == 200 else "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
        return status, (
            '<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            'xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
            f'xmlns:rsp="{SHELL}" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>{reply}</a:Action>'
            f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
            f"<a:RelatesTo>{related[1] if related else ''}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"), name

    def create(self, message, user):
        asked = re.search(r'<rsp:Shell[^>]* ShellId="([^"]+)"', message)
        shell = asked[1] if asked else str(uuid.uuid4()).upper()
        where = re.search(r"WorkingDirectory>([^<]*)<", message)
        self.shells[shell] = {"cwd": where[1] if where else f"C:\\Users\\{user}", "user": user, "commands": {}}
        return (f"<x:ResourceCreated><a:Address>http://{self.machine.address}:5985/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{SHELL}/cmd</w:ResourceURI>"
                f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>'
                f"<rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId><rsp:ResourceUri>{SHELL}/cmd</rsp:ResourceUri><rsp:Owner>{self.machine.domain}\\{user}</rsp:Owner>"
                f"<rsp:ClientIP>-</rsp:ClientIP><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
                f"<rsp:OutputStreams>stdout stderr</rsp:OutputStreams><rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime></rsp:Shell>")

    def of(self, message):
        found = re.search(r'Name="ShellId"[^>]*>([^<]+)<', message)
        return self.shells.get(found[1] if found else "")

    def command(self, message, user):
        shell = self.of(message)
        if shell is None:
            return fault("2150858843", "The shell was not found.")
        line = re.search(r"<rsp:Command>(.*?)</rsp:Command>", message, re.S)[1]
        arguments = re.findall(r"<rsp:Arguments>(.*?)</rsp:Arguments>", message, re.S)
        asked = re.search(r'<rsp:CommandLine[^>]* CommandId="([^"]+)"', message)
        number = asked[1] if asked else str(uuid.uuid4()).upper()
        text = unescape(" ".join([line, *arguments]), {"&quot;": '"'})
        if text.startswith('"') and text.endswith('"'):
            text = text[1:-1]
        shell["commands"][number] = Command(self.machine, text, shell["user"], shell["cwd"])
        return f"<rsp:CommandResponse><rsp:CommandId>{number}</rsp:CommandId></rsp:CommandResponse>"

    def receive(self, message, user):
        shell, number = self.of(message), re.search(r'CommandId="([^"]+)"', message)[1]
        command = shell["commands"].get(number)
        if command is None:
            return fault("2150858843", "The command was not found.")
        longest = re.search(r"OperationTimeout[^>]*>PT([\d.]+)S", message)
        if not command.done.wait(float(longest[1]) if longest else 60):
            return fault(TIMED_OUT, "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.")
        streams = ""
        for name in ("out", "err"):
            data = getattr(command, name)
            if data:
                streams += f'<rsp:Stream Name="std{name}" CommandId="{number}">{base64.b64encode(data[:MOST]).decode()}</rsp:Stream>'
                setattr(command, name, data[MOST:])
        if streams:
            return f'<rsp:ReceiveResponse>{streams}<rsp:CommandState CommandId="{number}" State="{SHELL}/CommandState/Running"/></rsp:ReceiveResponse>'
        ends = "".join(f'<rsp:Stream Name="{n}" CommandId="{number}" End="true"></rsp:Stream>' for n in ("stdout", "stderr"))
        return f'<rsp:ReceiveResponse>{ends}<rsp:CommandState CommandId="{number}" State="{SHELL}/CommandState/Done"><rsp:ExitCode>{command.status}</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>'

    def signal(self, message, user):
        shell = self.of(message)
        if shell:
            shell["commands"].pop(re.search(r'CommandId="([^"]+)"', message)[1], None)
        return "<rsp:SignalResponse/>"

    def delete(self, message, user):
        found = re.search(r'Name="ShellId"[^>]*>([^<]+)<', message)
        self.shells.pop(found[1], None)
        return ""


def fault(code, text):
    return (f'<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">{escape(text)}</s:Text></s:Reason>'
            f'<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{code}" Machine="-"><f:Message>{escape(text)}</f:Message></f:WSManFault></s:Detail></s:Fault>')


def handler(machine, service, secure):
    """Makes the class that handles the requests of a connection."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "Microsoft-HTTPAPI/2.0", ""
        disable_nagle_algorithm, wbufsize = True, -1  # an answer is one write
        acceptor, user = None, None
        began = quiet = 0  # when a request's first line was there, and the answer before it was sent

        def parse_request(self):
            self.began = time.time_ns()
            return super().parse_request()

        def log_message(self, *_):
            pass

        def version_string(self):
            return self.server_version

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.login():
                return
            if not body:
                return self.reply(200, b"", None)
            sealed = self.headers.get("Content-Type", "").startswith("multipart/encrypted")
            if not sealed and not secure:
                return self.reply(500, b"", None)  # AllowUnencrypted is false
            message = self.open(body) if sealed else body
            status, answer, name = service.answer(message.decode(), self.user)
            data, kind = answer.encode(), "application/soap+xml;charset=UTF-8"
            if sealed:
                data, kind = self.seal(data), f'multipart/encrypted;protocol="{PROTOCOL}";boundary="Encrypted Boundary"'
            quiet = self.quiet
            self.reply(status, data, kind)
            machine.tell(self.began, "request", "%s:%d %d %d %s" % (*self.client_address, self.server.server_address[1], quiet, name))

        def login(self):
            """Authenticates, or answers what is missing for that."""
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            if scheme == "Basic" and secure:
                name, _, password = base64.b64decode(token).decode().partition(":")
                name = name.rsplit("\\", 1)[-1]
                if machine.accounts.get(name) == password:
                    self.user = name
                    return True
            elif scheme in ("Negotiate", "NTLM"):
                message = base64.b64decode(token)
                message = message[message.find(b"NTLMSSP\0"):]
                if message[8] == 1:
                    self.acceptor = Acceptor(machine.name, machine.accounts)
                    return self.refuse(f"{scheme} {base64.b64encode(self.acceptor.challenge(message)).decode()}")
                try:
                    self.acceptor.authenticate(message)
                    self.user = self.acceptor.user
                except (Denied, AttributeError):
                    self.user = None
            if self.user:
                return True
            return self.refuse("Negotiate", "NTLM", *(['Basic realm="WSMAN"'] if secure else []))

        def refuse(self, *schemes):
            self.send_response(401)
            for s in schemes:
                self.send_header("WWW-Authenticate", s)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.quiet = time.time_ns()
            return False

        def reply(self, status, data, kind):
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
            self.quiet = time.time_ns()

        def open(self, body):
            sealed = body.split(b"Content-Type: application/octet-stream\r\n", 1)[1]
            sealed = sealed[:sealed.rindex(b"--Encrypted Boundary--")]
            size = struct.unpack_from("<L", sealed)[0]
            clear = self.acceptor.incoming.crypt(sealed[4 + size:])
            if self.acceptor.incoming.sign(clear) != sealed[4:4 + size]:
                raise ConnectionError("a message was changed")
            return clear

        def seal(self, clear):
            out = self.acceptor.outgoing
            sealed = out.crypt(clear)
            return (f"--Encrypted Boundary\r\n\tContent-Type: {PROTOCOL}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(clear)}\r\n"
                    "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n").encode() + struct.pack("<L", 16) + out.sign(clear) + sealed + b"--Encrypted Boundary--\r\n"

    return Handler


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the client has gone


def serve(machine, ports):
    """Listens where ports say, for HTTP and for HTTPS with server.pem."""
    service = Service(machine)
    for kind in ("http", "https"):
        if not ports[kind]:
            continue
        server = Server(("0.0.0.0", ports[kind]), handler(machine, service, kind == "https"))
        if kind == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain("server.pem", "server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
