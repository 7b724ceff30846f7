"""Makes the requests in steps.json, one after the other: steps.py requests|aiohttp keep|new"""
import asyncio
import json
import ssl
import sys
import time

library, connection = sys.argv[1:]
steps = json.load(open("steps.json"))


def body(step):
    return open(step["File"], "rb").read() if step["File"] else None


def done(number, status, answer):
    print(status, time.time_ns(), flush=True)
    with open(f"answer{number}", "wb") as file:
        file.write(answer)


def with_requests():
    import requests

    trust = "/etc/ssl/certs/ca-certificates.crt"
    session = requests.Session()
    for number, step in enumerate(steps):
        time.sleep(step["Pause"] / 1e9)
        if connection == "new":
            session.close()
            session = requests.Session()
        answer = session.request(step["Method"], step["URL"], data=body(step), headers=step["Header"], verify=trust)
        done(number, answer.status_code, answer.content)


async def with_aiohttp():
    import aiohttp

    keep = {"force_close": True} if connection == "new" else {"keepalive_timeout": 600}
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(), **keep)
    async with aiohttp.ClientSession(connector=connector) as session:
        for number, step in enumerate(steps):
            await asyncio.sleep(step["Pause"] / 1e9)
            async with session.request(step["Method"], step["URL"], data=body(step), headers=step["Header"]) as answer:
                done(number, answer.status, await answer.read())


if library == "requests":
    with_requests()
else:
    asyncio.run(with_aiohttp())
