"""A client of the Together gateway over Trio."""

import json

import trio
from trio_websocket import ConnectionClosed

WITHIN = 5.0
HEARTBEAT = {"op": "HEARTBEAT"}
ACK = {"op": "HEARTBEAT_ACK"}


class TogetherClient:
    """One open WebSocket; *quiet* waits until nothing moves in the server."""

    def __init__(self, connection, stream, quiet):
        self.ping = connection.ping
        self.pong = connection.pong
        self.subprotocol = connection.subprotocol
        self._connection = connection
        self._stream = stream
        self._quiet = quiet

    async def message(self):
        """The next message as it is."""
        with trio.fail_after(WITHIN):
            return await self._connection.get_message()

    async def receive(self):
        """The next frame, as JSON."""
        return json.loads(await self.message())

    async def send(self, frame):
        with trio.fail_after(WITHIN):
            await self._connection.send_message(
                frame if isinstance(frame, str | bytes) else json.dumps(frame)
            )

    async def update(self, **data):
        """Send a PRESENCE_UPDATE and wait until nothing moves: the next one merges with none."""
        await self.send({"op": "PRESENCE_UPDATE", "d": data})
        await self._quiet()

    async def rest(self):
        """Every frame up to now: waits until nothing moves, then asks for an answer."""
        await self._quiet()
        await self.send(HEARTBEAT)
        frames = []
        while (frame := await self.receive()) != ACK:
            frames.append(frame)
        return frames

    async def presence_of(self, user_id):
        """The statuses that came since, of another user, in order; skips everything else."""
        return [
            frame["d"]["status"]
            for frame in await self.rest()
            if frame.get("t") == "PRESENCE_UPDATE" and frame["d"]["user_id"] == user_id
        ]

    async def self_views(self):
        """The self views that came since, in order; skips everything else."""
        return [
            frame["d"]
            for frame in await self.rest()
            if frame.get("t") == "PRESENCE_UPDATE" and "id" in frame["d"]
        ]

    async def next_of(self, event):
        """The data of the next frame of this event; skips everything before it."""
        while (frame := await self.receive()).get("t") != event:
            pass
        return frame["d"]

    async def close_code(self):
        """Skip messages until the server closes; None if the connection ends without a code."""
        with trio.fail_after(WITHIN):
            while True:
                try:
                    await self._connection.get_message()
                except ConnectionClosed as closed:
                    return closed.reason and closed.reason.code

    async def leave(self, code=1000):
        """Close in order; a browser's `close()` does so without a code."""
        await self._connection.aclose(code=code)
        await self._quiet()

    async def leave_without_code(self):
        await self.leave(code=None)

    async def vanish(self):
        """End the connection without a close frame."""
        await trio.aclose_forcefully(self._stream)
        await self._quiet()
