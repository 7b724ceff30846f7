"""One end of a tunnel that carries TCP connections in WebSocket connections.

server ADDR PORT [CERT KEY] NAME=PORT...: connections to path /NAME go to a port
of 127.0.0.1. client PORT URL [CA]: each connection to a port of 127.0.0.1 opens
one to the URL.
"""
import asyncio
import ssl
import sys

import websockets

BLOCK = 16384
OPTIONS = {"compression": None, "max_size": None, "ping_interval": 20}


async def to_socket(ws, writer):
    try:
        async for message in ws:
            writer.write(message)
            await writer.drain()
    except (websockets.ConnectionClosed, ConnectionError):
        pass
    writer.close()


async def to_websocket(reader, ws):
    try:
        while data := await reader.read(BLOCK):
            await ws.send(data)
    except (websockets.ConnectionClosed, ConnectionError):
        pass
    await ws.close()


async def carry(reader, writer, ws):
    await asyncio.gather(to_socket(ws, writer), to_websocket(reader, ws))


async def server(addr, port, *rest):
    context = None
    if "=" not in rest[0]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(rest[0], rest[1])
        rest = rest[2:]
    ports = dict(r.split("=") for r in rest)

    async def accept(ws, path):
        await carry(*await asyncio.open_connection("127.0.0.1", int(ports[path.strip("/")])), ws)

    await websockets.serve(accept, addr, int(port), ssl=context, **OPTIONS)
    await asyncio.Future()


async def client(port, url, ca=None):
    context = ssl.create_default_context(cafile=ca) if ca else None

    async def accept(reader, writer):
        async with websockets.connect(url, ssl=context, **OPTIONS) as ws:
            await carry(reader, writer, ws)

    await asyncio.start_server(accept, "127.0.0.1", int(port))
    await asyncio.Future()


asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
