"""Polls a management server and does what it is told: managed.py requests URL PAUSE…"""
import subprocess
import sys
import time

import requests

url = sys.argv[2]
session = requests.Session()
for pause in sys.argv[3:]:
    time.sleep(float(pause))
    answer = session.get(url + "/v1/orders")
    answer.raise_for_status()
    if answer.status_code == 204:
        continue
    order = answer.json()
    if order.get("file"):
        got = session.get(url + "/files/" + order["file"])
        got.raise_for_status()
        open(order["file"], "wb").write(got.content)
        result = b"wrote %d bytes" % len(got.content)
    else:
        result = subprocess.run(["sh", "-c", order["command"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    answer = session.post(url + "/v1/results/%d" % order["id"], data=result, headers={"Content-Type": "text/plain"})
    answer.raise_for_status()
    if answer.json()["received"] != len(result):
        sys.exit("the server says " + answer.text)
