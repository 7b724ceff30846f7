"""Posts files in one session: push.py requests URL SECONDS FILE ..."""
import sys
import time

import requests

session = requests.Session()
for pause, name in zip(sys.argv[3::2], sys.argv[4::2]):
    time.sleep(float(pause))
    with open(name, "rb") as file:
        session.post(sys.argv[2], data=file.read(), headers={"Content-Type": "text/plain; version=0.0.4"}).raise_for_status()
