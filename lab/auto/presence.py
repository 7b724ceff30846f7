"""Keeps somebody's presence: presence.py websockets|aiohttp URL PAUSE…"""
import asyncio
import json
import ssl
import sys
import time

library, url, pauses = sys.argv[1], sys.argv[2], [float(p) for p in sys.argv[3:]]
trust = ssl.create_default_context()


def tell(what, text=""):
    print("!", time.time_ns(), what, text, flush=True)


async def keep(send, messages, leave):
    acknowledged = asyncio.Event()

    async def listen():
        async for text in messages:
            message = json.loads(text)
            if message["op"] == "ack":
                tell("ack", message["seq"])
                acknowledged.set()
            else:
                tell("presence", message["who"])

    listener = asyncio.create_task(listen())
    for number, pause in enumerate(pauses):
        await asyncio.sleep(pause)
        acknowledged.clear()
        tell("beat", number)
        await send(json.dumps({"op": "heartbeat", "seq": number}))
        await asyncio.wait_for(acknowledged.wait(), 30)
    tell("leaving")
    await leave()
    await listener


async def with_websockets():
    import websockets

    async with websockets.connect(url, ssl=trust, ping_interval=None, open_timeout=30) as socket:
        tell("ready")
        await keep(socket.send, socket, socket.close)


async def with_aiohttp():
    import aiohttp

    async def texts(socket):
        async for message in socket:
            yield message.data

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, ssl=trust) as socket:
            tell("ready")

            async def leave():
                await socket.send_str(json.dumps({"op": "leave", "seq": 0}))

            await keep(socket.send_str, texts(socket), leave)


asyncio.run(with_websockets() if library == "websockets" else with_aiohttp())
