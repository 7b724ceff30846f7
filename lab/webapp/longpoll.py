"""Waits for events in one session: client.py requests|aiohttp URL COUNT"""
import asyncio
import sys

library, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def told(answer, known):
    if not answer:
        return known
    print(answer, end="", flush=True)
    return int(answer.split(" ", 1)[0])


def with_requests():
    import requests

    session, known = requests.Session(), 0
    while known < count:
        answer = session.get(url + str(known))
        answer.raise_for_status()
        known = told(answer.text, known)


async def with_aiohttp():
    import aiohttp

    known = 0
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        while known < count:
            async with session.get(url + str(known)) as answer:
                known = told(await answer.text(), known)


if library == "requests":
    with_requests()
else:
    asyncio.run(with_aiohttp())
