"""Runs each line of standard input as a command, in one connection, and writes what it printed and "\\x1e": PORT KEY USER@HOST"""
import sys

import paramiko

port, key, target = int(sys.argv[1]), sys.argv[2], sys.argv[3]
user, host = target.rsplit("@", 1)
client = paramiko.SSHClient()
client.load_host_keys("/root/.ssh/known_hosts")

client.connect(host, port, user, key_filename=key, allow_agent=False, look_for_keys=False)
for line in sys.stdin:
    stdin, stdout, stderr = client.exec_command(line.rstrip("\n"))
    stdin.close()
    sys.stdout.write(stdout.read().decode() + "\x1e")
    sys.stdout.flush()
    if stdout.channel.recv_exit_status() != 0:
        sys.exit("it ended with another status than 0: " + line)
client.close()
