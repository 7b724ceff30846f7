"""Uploads files in one session: upload.py requests put|multipart FILE URL ..."""
import sys

import requests

session = requests.Session()
for name, url in zip(sys.argv[3::2], sys.argv[4::2]):
    with open(name, "rb") as file:
        if sys.argv[2] == "put":
            answer = session.put(url, data=file)
        else:
            answer = session.post(url, files={"file": file}, data={"comment": "weekly"})
    answer.raise_for_status()
