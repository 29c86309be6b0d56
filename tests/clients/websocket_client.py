"""A WebSocket client over Trio that sends and reads plain frames."""

import trio
from http_client import HttpClient
from wire import CLOSE, FINAL, parse_frame, upgrade_request


class WebSocketClient(HttpClient):
    """One TCP connection, before and after its upgrade. It answers nothing by itself."""

    async def upgrade(self, path="/ws", *headers):
        await self.send(upgrade_request(path, *headers))
        return await self.answer()

    async def frame(self):
        """Return opcode byte and payload of the next frame from the server."""
        while (found := parse_frame(self._buffer)) is None:
            await self._receive()
        first, payload, end = found
        self._buffer = self._buffer[end:]
        return first, payload

    async def close_code(self):
        """Skip frames up to the close frame; None if the connection ends without one."""
        try:
            while True:
                first, payload = await self.frame()
                if first == FINAL | CLOSE:
                    return int.from_bytes(payload[:2], "big")
        except (EOFError, trio.BrokenResourceError):
            return None
