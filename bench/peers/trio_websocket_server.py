"""trio-websocket as its documentation shows it: send_message in a loop."""

import resource
from functools import partial

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    serve_websocket,
)

listeners: set[WebSocketConnection] = set()


async def handle(request: WebSocketRequest) -> None:
    connection = await request.accept()
    if request.path == "/listen":
        listeners.add(connection)
    try:
        while True:
            message = await connection.get_message()
            for listener in list(listeners):
                await listener.send_message(message)
    except ConnectionClosed:
        pass
    finally:
        listeners.discard(connection)


async def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, handle, "127.0.0.1", 0, None))
        print(server.port, flush=True)


trio.run(main)
