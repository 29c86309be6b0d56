"""A stop tells its clients in small steps, so that no turn of the event loop is long."""

from collections import Counter

import trio

from presence import app
from presence.frontends.socket_session import SocketSession


class TurnCounter(trio.abc.Instrument):
    """Counts the turns of the event loop."""

    def __init__(self):
        self.turn = 0

    def before_io_wait(self, timeout):
        self.turn += 1


async def test_a_drain_ends_a_few_connections_in_each_turn_of_the_event_loop(
    start_server, monkeypatch
):
    monkeypatch.setattr(app, "ENDS_PER_TURN", 2)
    turns, ended = TurnCounter(), Counter()
    end, seen = SocketSession.end, set()

    def end_and_note(session, reason):
        if session.connection not in seen:
            seen.add(session.connection)
            ended[turns.turn] += 1
        end(session, reason)

    monkeypatch.setattr(SocketSession, "end", end_and_note)
    server = await start_server()
    clients = [await server.connect(f"user{number}") for number in range(9)]
    trio.lowlevel.add_instrument(turns)
    try:
        await server.stop()
    finally:
        trio.lowlevel.remove_instrument(turns)
    assert [count for _, count in sorted(ended.items())] == [2, 2, 2, 2, 1]
    assert {await client.close_code() for client in clients} == {1012}
    assert len(server.node.connections) == 0
