"""Waits for mail as a mail program does: client.py HOST PORT PASSWORD COUNT"""
import imaplib
import sys
import time

host, port, password, count = sys.argv[1:]


def told(what):
    print("!", time.time_ns(), what, flush=True)


box = imaplib.IMAP4_SSL(host, int(port))
box.login("mortiz", password)
box.select()
told("ready")
for seen in range(int(count)):
    tag = box._new_tag()
    box.send(tag + b" IDLE\r\n")
    while True:
        line = box.readline()
        if line.startswith(b"+"):
            told("idle")
        elif line.endswith(b" EXISTS\r\n") and int(line.split()[1]) > seen:
            break
    told("news")
    box.send(b"DONE\r\n")
    while not box.readline().startswith(tag):
        pass
    _, data = box.fetch(str(seen + 1), "(FLAGS BODY.PEEK[])")
    print(data[0][1].decode().replace("\r\n", "\n"), end="")
    told("read")
box.logout()
