"""One address may hold so many connections, whatever it says of itself."""

import pytest
from wire_client import ANSWER_WITHIN, InvalidInput, WireClient, wait_until

LIMIT = 200
TRIES = 20


@pytest.fixture
def full(serving):
    """A server, and as many clients of one address as are let in; each claims another one."""
    # Each in a world of its own: what is counted here are connections.
    with serving(everyone_server="false") as server:
        clients = [join(server.port, number) for number in range(LIMIT)]
        yield server, clients
        for client in clients:
            client.socket.close()
        assert "Traceback" not in server.log


def join(port, number):
    forged = f"x-forwarded-for: 203.0.113.{number % 256}"
    client = WireClient(port, f"/ws?user=user{number}", headers=[forged])
    client.wait_ready()
    return client


def refusal(port, number):
    with pytest.raises(InvalidInput) as refused:
        join(port, number)
    return refused.value


def test_the_newcomer_over_the_limit_is_refused_and_the_others_stay(full):
    server, clients = full
    for number in range(TRIES):
        refused = refusal(server.port, LIMIT + number)

        assert refused.status == 429
        assert int(refused.headers["retry-after"]) > 0
    for client in clients:
        assert client.beat() == []
    print(f"\n{LIMIT} connections stay, {TRIES} of {TRIES} newcomers got 429")


def test_one_who_leaves_makes_room_for_one(full):
    server, clients = full
    clients.pop().leave()

    clients.append(wait_until(lambda: let_in(server.port, LIMIT), ANSWER_WITHIN))

    assert refusal(server.port, LIMIT + 1).status == 429


def test_a_reset_connection_makes_room_too(full):
    server, clients = full
    clients.pop().vanish()

    clients.append(wait_until(lambda: let_in(server.port, LIMIT), ANSWER_WITHIN))


def let_in(port, number):
    try:
        return join(port, number)
    except InvalidInput:
        return None
