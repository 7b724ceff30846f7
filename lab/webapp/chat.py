"""Chats on a terminal: chat.py websockets|aiohttp URL NAME yes|no"""
import asyncio
import json
import os
import sys
import time
import tty

library, url, name, notices = sys.argv[1:]


async def chat(send, messages, leave):
    print("welcome", end="\r\n", flush=True)
    keys = asyncio.Queue()
    asyncio.get_running_loop().add_reader(0, lambda: keys.put_nowait(os.read(0, 4096)))

    async def typing():
        text, last = "", 0.0
        while True:
            for key in (await keys.get()).decode():
                if key == "\x04":
                    await leave()
                    return
                if key == "\r":
                    await send(json.dumps({"from": name, "text": text}))
                    text, key = "", "\r\n"
                elif key == "\x7f":
                    text, key = text[:-1], "\b \b"
                else:
                    text += key
                print(key, end="", flush=True)
                if notices == "yes" and text and time.monotonic() - last > 3:
                    last = time.monotonic()
                    await send(json.dumps({"from": name, "typing": True}))

    person = asyncio.create_task(typing())
    async for data in messages:
        message = json.loads(data)
        if message.get("text"):
            print(f"\r\n<{message['from']}> {message['text']}", end="\r\n", flush=True)
    await person


async def with_websockets():
    import websockets

    async with websockets.connect(url, ping_interval=None) as socket:
        await chat(socket.send, socket, socket.close)


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await chat(socket.send_str, (message.data async for message in socket), socket.close)


tty.setraw(0)
asyncio.run(with_websockets() if library == "websockets" else with_aiohttp())
