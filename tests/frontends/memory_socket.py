"""A socket that only remembers, for sessions without a network."""

import attrs
import trio

from presence.transport.sockets.stream import SocketEnded


@attrs.define(eq=False)
class MemoryStream:
    """Remembers what was written, by key where it has one."""

    pushed: list = attrs.field(factory=list)
    latest: dict = attrs.field(factory=dict)
    cuts: list = attrs.field(factory=list)
    is_gone: object = None
    cut_reason: str | None = None
    violation: object = None

    def join_fd_table(self, fd_table, slot):
        pass  # all is kept

    def leave_fd_table(self):
        pass

    def push(self, frame):
        self.pushed.append(frame)

    def push_snapshot(self, chunks):
        self.pushed.append(b"".join(chunks))

    def offer(self, key, frame):
        self.latest[key] = frame

    def keep(self, packet, sent):
        for key in filter(self.is_gone, packet.vanished):
            self.drop(key)
        self.latest.update(packet.frames)

    def drop(self, key):
        self.latest.pop(key, None)

    def cut(self, reason):
        self.cuts.append(reason)


def offer(session, announcement):
    """Have the session told, as the broadcaster would."""
    lane = session.lane
    slot = lane.admit(session)
    lane.offer_all(lane.render([(announcement.key, announcement)]), [slot])
    lane.dismiss(slot)


class MemorySocket:
    """A socket whose client does what the test says."""

    def __init__(self):
        self.last_received_at = trio.current_time()
        self.stream = MemoryStream()
        self.closes = []
        self.pings = []
        self.payloads = []
        self.arrivals = 0
        self.say, self._heard = trio.open_memory_channel(10)

    def release_handshake_slot(self):
        self.arrivals += 1

    def set_text_callback(self, on_text):
        pass  # all is received

    async def receive(self):
        message = await self._heard.receive()
        if isinstance(message, Exception):
            raise message
        return message

    def close_soon(self, code, reason):
        self.closes.append((code, reason))
        self.say.send_nowait(SocketEnded(is_clean=True))

    def ping_nowait(self, payload):
        self.pings.append(trio.current_time())
        self.payloads.append(payload)
