"""SFTP commands (put, get, ls) from standard input, with paramiko: PORT KEY USER@HOST"""
import sys

import paramiko

user, host = sys.argv[3].split("@")
client = paramiko.SSHClient()
client.load_host_keys("/root/.ssh/known_hosts")
client.connect(host, int(sys.argv[1]), user, key_filename=sys.argv[2], allow_agent=False, look_for_keys=False)
sftp = client.open_sftp()
for line in sys.stdin:
    verb, *names = line.split()
    if verb == "put":
        sftp.put(*names)
    elif verb == "get":
        sftp.get(*names)
    else:
        print(sftp.listdir(*names))
sftp.close()
client.close()
