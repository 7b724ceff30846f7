"""An editor that saves by itself: autosave.py requests URL REST MOST"""
import os
import select
import sys
import time
import tty

import requests

url, rest, most = sys.argv[2], *(float(t.rstrip("s")) for t in sys.argv[3:])
session = requests.Session()


def save(text):
    session.put(url, data=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"}).raise_for_status()


tty.setraw(0)
save("")
print("ready", end="\r\n", flush=True)
text, dirty, due, latest, open_ = "", False, 0.0, 0.0, True
while open_:
    wait = max(min(due, latest) - time.monotonic(), 0) if dirty else None
    if not select.select([0], [], [], wait)[0]:
        save(text)
        dirty = False
        continue
    for key in os.read(0, 4096).decode():
        if key == "\x04":
            open_ = False
        elif key == "\x7f":
            text = text[:-1]
            print("\b \b", end="", flush=True)
        else:
            text += key.replace("\r", "\n")
            print(key.replace("\r", "\r\n"), end="", flush=True)
    due = time.monotonic() + rest
    if not dirty:
        dirty, latest = True, time.monotonic() + most
save(text)
