"""Reads Server-Sent Events of one connection."""

import json

import trio

WITHIN = 5.0


class EventStreamClient:
    """A client that has asked for a stream once `open` returns; `head` is that of the answer."""

    def __init__(self, stream):
        self._stream = stream
        self._buffer = b""
        self.head = b""

    async def open(self, path, host, headers=(), version="1.1"):
        """Ask for *path* and read the head of the answer; returns its status."""
        lines = [f"GET {path} HTTP/{version}", f"host: {host}", *headers, "", ""]
        await self._stream.send_all("\r\n".join(lines).encode())
        self.head = await self._read_until(b"\r\n\r\n")
        self._is_chunked = b"transfer-encoding: chunked" in self.head.lower()
        return int(self.head.split(b" ")[1])

    async def _receive(self):
        with trio.fail_after(WITHIN):
            data = await self._stream.receive_some()
        self._buffer += data
        return bool(data)

    async def _read_until(self, mark):
        while mark not in self._buffer:
            if not await self._receive():
                raise EOFError(self._buffer)
        before, _, self._buffer = self._buffer.partition(mark)
        return before

    async def chunk(self):
        """The next event or comment as it is, which is one chunk; empty at the end."""
        if self._is_chunked:
            size = int(await self._read_until(b"\r\n"), 16)
            while len(self._buffer) < size + 2:
                if not await self._receive():
                    raise EOFError(self._buffer)
            data, end = self._buffer[:size], self._buffer[size : size + 2]
            self._buffer = self._buffer[size + 2 :]
            assert end == b"\r\n"
            return data
        while b"\n\n" not in self._buffer:
            if not await self._receive():
                assert self._buffer == b""
                return b""
        return await self._read_until(b"\n\n") + b"\n\n"

    async def fields(self):
        """The fields of the next event that is no comment; None at the end."""
        while chunk := await self.chunk():
            if not chunk.startswith(b":"):
                assert chunk.endswith(b"\n\n")
                lines = chunk[:-2].decode().split("\n")
                return dict(line.split(": ", 1) for line in lines)
        return None

    async def next_event(self):
        """The next event: kind, position, data. None at the end."""
        fields = await self.fields()
        if fields is None:
            return None
        position = fields.get("id")
        return (
            fields.get("event", "message"),
            None if position is None else int(position),
            json.loads(fields["data"]),
        )

    async def next_presence(self):
        """The next event of the draft about somebody else, as user and status."""
        while True:
            kind, _, data = await self.next_event()
            if kind == "presence":
                return data["user_id"], data["status"]

    async def next_frame(self):
        """The next frame of the gateway, as text."""
        fields = await self.fields()
        assert list(fields) == ["data"]
        return fields["data"]

    async def aclose(self):
        await self._stream.aclose()
