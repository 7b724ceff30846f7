"""Shows a terminal that is in a WebSocket: client.py websockets URL"""
import asyncio
import json
import os
import sys
import tty

import websockets


async def main(url):
    size = os.get_terminal_size()
    tty.setraw(0)
    async with websockets.connect(url, compression=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"Columns": size.columns, "Rows": size.lines}))
        keys = asyncio.Queue()
        asyncio.get_running_loop().add_reader(0, lambda: keys.put_nowait(os.read(0, 4096)))

        async def send():
            while data := await keys.get():
                await socket.send(b"0" + data)

        typing = asyncio.create_task(send())
        async for data in socket:
            os.write(1, data[1:])
        typing.cancel()


asyncio.run(main(sys.argv[2]))
