import json

from websockets.sync.client import connect


def test_a_status_travels_between_two_foreign_clients_and_the_server_drains(serving):
    with serving() as server:
        with connect(server.socket_url("alice")) as alice, connect(server.socket_url("bob")) as bob:
            assert json.loads(alice.recv())["t"] == "READY"
            assert json.loads(alice.recv())["t"] == "SERVER_MEMBER_ADD"
            assert json.loads(bob.recv())["t"] == "READY"
            bob.send('{"op": "PRESENCE_UPDATE", "d": {"status": "dnd"}}')

            assert json.loads(alice.recv())["d"] == {
                "user_id": "bob",
                "status": "dnd",
                "custom_status": None,
                "activity": None,
            }
        assert server.stop() == 0
        assert "Traceback" not in server.log
