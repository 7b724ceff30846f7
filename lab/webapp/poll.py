"""Polls in one session: poll.py requests|aiohttp URL SECONDS ..."""
import asyncio
import sys
import time

library, url, pauses = sys.argv[1], sys.argv[2], [float(s) for s in sys.argv[3:]]


def with_requests():
    import requests

    session = requests.Session()
    for pause in pauses + [None]:
        answer = session.get(url)
        answer.raise_for_status()
        print(answer.text, flush=True)
        if pause is not None:
            time.sleep(pause)


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for pause in pauses + [None]:
            async with session.get(url) as answer:
                print(await answer.text(), flush=True)
            if pause is not None:
                await asyncio.sleep(pause)


if library == "requests":
    with_requests()
else:
    asyncio.run(with_aiohttp())
