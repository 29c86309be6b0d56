"""VoicePing clients over each of the three transports, in words that are the same for all."""

from contextlib import suppress

import msgpack
import trio
from trio_websocket import ConnectionClosed

WITHIN = 5.0
GROUP, PRIVATE, STATUS, TEST, ACK = 0, 1, 5, 25, 26
NONCE = "are-you-there"


def canonical(field):
    """A field as text: what the transports write differently is the same here."""
    return field if isinstance(field, str) else str(field)


def wire_id(user):
    return int(user) if user.isdigit() else user


class Radio:
    """One client of *user*; frames are five texts."""

    def __init__(self, user, quiet):
        self.user = user
        self._quiet = quiet

    async def say(self, code):
        """Be offline (0), online (1) or busy (2)."""
        await self.send(GROUP, STATUS, wire_id(self.user), 0, code)

    async def flood(self, texts):
        """Send one after another for as long as the server bears it."""
        with suppress(trio.BrokenResourceError, ConnectionClosed):
            for text in texts:
                await self.send_raw(text)
            raise AssertionError("the server bore it all")

    async def rest(self):
        """Every frame up to now: waits until nothing moves, then asks for an answer."""
        await self._quiet()
        await self.send(PRIVATE, TEST, wire_id(self.user), 0, NONCE)
        frames = []
        while (frame := await self.receive())[1] != str(ACK):
            frames.append(frame)
        assert frame == ("1", "26", "0", self.user, NONCE)
        return frames

    async def statuses(self):
        """Every status frame up to now, as pairs of user and code."""
        frames = await self.rest()
        assert all((kind, what, to) == ("0", "5", "0") for kind, what, _, to, _ in frames)
        return [(sender, int(code)) for _, _, sender, _, code in frames]


class PipeRadio(Radio):
    """Lines over TCP."""

    def __init__(self, user, quiet, stream):
        super().__init__(user, quiet)
        self.stream = stream
        self._received = b""

    async def send(self, *fields):
        await self.send_raw("|" + "|".join(map(str, fields)) + "|")

    async def send_raw(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        await self.stream.send_all(data + b"\n")

    async def ping(self, named=None):
        await self.send_raw(f"voiceping:{self.user if named is None else named}")

    async def receive(self):
        """The next frame."""
        with trio.fail_after(WITHIN):
            while b"\n" not in self._received:
                data = await self.stream.receive_some(65536)
                assert data, "the server ended the connection"
                self._received += data
        line, _, self._received = self._received.partition(b"\n")
        assert (line[:1], line[-1:]) == (b"|", b"|")
        return tuple(line.decode()[1:-1].split("|"))

    async def ended(self):
        """Wait for the end; the code, of which a pipe has none."""
        with trio.fail_after(WITHIN):
            try:
                while data := await self.stream.receive_some(65536):
                    self._received += data
            except trio.BrokenResourceError:
                pass
        return

    async def vanish(self):
        """Go without a goodbye."""
        await trio.aclose_forcefully(self.stream)
        await self._quiet()


class SocketRadio(Radio):
    """Messages of a WebSocket."""

    def __init__(self, user, quiet, client):
        super().__init__(user, quiet)
        self.client = client

    async def send_raw(self, message):
        await self.client.send(message)

    async def ping(self, named=None):
        await self.send_raw(f"voiceping:{self.user if named is None else named}")

    async def ended(self):
        """Wait for the end; the close code."""
        return await self.client.close_code()

    async def vanish(self):
        await self.client.vanish()


class TextRadio(SocketRadio):
    """The lines' text, one frame in each text message."""

    async def send(self, *fields):
        await self.send_raw("|" + "|".join(map(str, fields)) + "|")

    async def receive(self):
        text = await self.client.message()
        assert isinstance(text, str)
        assert (text[:1], text[-1:]) == ("|", "|")
        return tuple(text[1:-1].split("|"))


class ArrayRadio(SocketRadio):
    """MessagePack, one array in each binary message."""

    async def send(self, *fields):
        await self.send_raw(msgpack.packb(list(fields)))

    async def ping(self, named=None):
        # As real clients do, for a text message would change the form of the answers.
        payload = f"voiceping:{self.user if named is None else named}".encode()
        with trio.fail_after(WITHIN):
            await self.client.ping(payload)

    async def receive(self):
        data = await self.client.message()
        assert isinstance(data, bytes)
        fields = msgpack.unpackb(data)
        assert len(data) == len(msgpack.packb(fields))  # the shortest form
        return tuple(map(canonical, fields))


async def open_radio(server, transport, user):
    """Log in as *user* of development mode."""
    if transport == "pipe":
        stream = await server.open_pipe()
        radio = PipeRadio(user, server.quiet, stream)
        await radio.send_raw(f"token:{server.token(user)}")
    elif transport == "text":
        client = await server.open(f"/voiceping?user={user}", subprotocols=["voiceping.text"])
        radio = TextRadio(user, server.quiet, client)
    else:
        client = await server.open(f"/voiceping?user={user}")
        radio = ArrayRadio(user, server.quiet, client)
    await server.quiet()
    return radio
