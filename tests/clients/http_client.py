"""HTTP clients over Trio: one that sends and reads plain bytes, one that sends whole requests."""

import json
from contextlib import suppress

import attrs
import h11
import trio

ENDED_WITHIN = 15


class HttpClient:
    """One TCP connection: sends bytes, reads answers."""

    def __init__(self, stream):
        self.stream = stream
        self.sent_bytes = 0
        self._buffer = b""

    async def send(self, *parts):
        data = b"".join(parts)
        await self.stream.send_all(data)
        self.sent_bytes += len(data)

    async def send_for_ever(self, data, *, every=0):
        while True:
            await self.send(data)
            await trio.sleep(every)

    async def take(self, size):
        while len(self._buffer) < size:
            await self._receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def answer(self, *, has_body=True):
        """Return status, headers and body of the next answer."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            await self._receive()
        head = await self.take(end + 4)
        status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.take(int(headers.get("content-length", 0)) if has_body else 0)
        return int(status_line.split()[1]), headers, body

    async def _receive(self):
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError(self._buffer)
        self._buffer += data

    async def wait_end(self):
        """Read until the server ends the connection; return what came."""
        data = self._buffer
        with trio.fail_after(ENDED_WITHIN), suppress(trio.BrokenResourceError):
            while chunk := await self.stream.receive_some(65536):
                data += chunk
        return data


@attrs.frozen
class Answer:
    """One HTTP answer; header names in lower case, `date` left out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The sentence of an error answer."""
        assert dict(self.headers)["content-type"] == "application/json"
        assert list(self.json) == ["error"]
        return self.json["error"]

    def header(self, name):
        return dict(self.headers).get(name)


async def exchange(stream, method, path, fields, data=b""):
    """Send one request over *stream* and read its answer."""
    client = h11.Connection(h11.CLIENT)
    await stream.send_all(
        client.send(h11.Request(method=method, target=path, headers=fields))
        + client.send(h11.Data(data=data))
        + client.send(h11.EndOfMessage())
    )
    head, body = None, b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
        if event is h11.NEED_DATA:
            client.receive_data(await stream.receive_some(65536))
        elif isinstance(event, h11.Response | h11.InformationalResponse):
            head = event
            if head.status_code == 101:
                break
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    headers = tuple(
        (name.decode(), value.decode()) for name, value in head.headers if name != b"date"
    )
    return Answer(head.status_code, headers, body)
