"""Looks at an SSH server: banner HOST PORT | methods HOST PORT USER"""
import socket, sys

what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what == "banner":
    with socket.create_connection((host, port), 30) as s:
        print(s.recv(256).decode(errors="replace"))
else:
    import paramiko

    transport = paramiko.Transport((host, port))
    transport.banner_timeout = transport.auth_timeout = 60
    transport.connect()
    try:
        transport.auth_none(sys.argv[4])
    except paramiko.BadAuthenticationType as e:
        print(*e.allowed_types)
    transport.close()
