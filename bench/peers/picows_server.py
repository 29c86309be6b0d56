"""picows (Cython on asyncio): one send per listener, each from the same buffer."""

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from bench.peers.event_loop import run

HEADER_ROOM = 16
listeners: set[WSTransport] = set()


class Peer(WSListener):
    def __init__(self, listens: bool) -> None:
        super().__init__()
        self._listens = listens

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self._listens:
            listeners.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            buffer = bytearray(HEADER_ROOM) + frame.get_payload_as_memoryview()
            for listener in listeners:
                listener.send_reuse_external_bytearray(WSMsgType.TEXT, buffer, HEADER_ROOM)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        listeners.discard(transport)


async def serve() -> None:
    server = await ws_create_server(
        lambda request: Peer(request.path == b"/listen"), "127.0.0.1", 0, backlog=65535
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


run(serve())
