"""An interactive shell, or one command, with paramiko: PORT KEY USER@HOST [COMMAND...]"""
import os, select, shutil, sys, termios, tty

import paramiko

port, key, target, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
user, host = target.split("@")
client = paramiko.SSHClient()
client.load_host_keys("/root/.ssh/known_hosts")
client.connect(host, port, user, key_filename=key, allow_agent=False, look_for_keys=False)
if command:
    channel = client.get_transport().open_session()
    channel.exec_command(" ".join(command))
else:
    size = shutil.get_terminal_size()
    channel = client.invoke_shell(os.environ.get("TERM", "xterm"), size.columns, size.lines)
saved = termios.tcgetattr(0) if os.isatty(0) else None
if saved:
    tty.setraw(0)
try:
    wanted = [channel, 0]
    while True:
        ready, _, _ = select.select(wanted, [], [])
        if channel in ready:
            data = channel.recv(32768)
            if not data:
                break
            os.write(1, data)
        if 0 in ready:
            data = os.read(0, 32768)
            if data:
                channel.sendall(data)
            else:
                channel.shutdown_write()
                wanted = [channel]
finally:
    if saved:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
status = channel.recv_exit_status()
client.close()
sys.exit(status)
