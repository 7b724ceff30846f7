"""An FTP server: ftpd.py PORT DATAPORT USER PASSWORD HOME TLS CERTIFICATE."""
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

port, data, user, password, home, tls, certificate = sys.argv[1:]
users = DummyAuthorizer()
users.add_user(user, password, home, perm="elradfmw")
handler = FTPHandler
if tls == "explicit":
    handler = TLS_FTPHandler
    handler.certfile = certificate
    handler.tls_control_required = True
    handler.tls_data_required = True
handler.authorizer = users
handler.passive_ports = [int(data)]
FTPServer(("0.0.0.0", int(port)), handler).serve_forever()
