"""websockets (asyncio): its broadcast(), without compression and pings."""

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.event_loop import run

listeners: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    if connection.request is not None and connection.request.path == "/listen":
        listeners.add(connection)
    try:
        async for message in connection:
            broadcast(listeners, message)
    finally:
        listeners.discard(connection)


async def main() -> None:
    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=65535
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Event().wait()


run(main())
