import json

from websockets.sync.client import connect

WITHIN = 10.0


def test_a_status_travels_between_two_foreign_clients_and_the_server_drains(serving):
    with serving() as server:
        with connect(server.socket_url("alice")) as alice:
            assert json.loads(alice.recv(WITHIN))["t"] == "READY"
            with connect(server.socket_url("bob")) as bob:
                assert json.loads(bob.recv(WITHIN))["t"] == "READY"
                assert json.loads(alice.recv(WITHIN))["t"] == "SERVER_MEMBER_ADD"
                bob.send('{"op": "PRESENCE_UPDATE", "d": {"status": "dnd"}}')

                assert json.loads(alice.recv(WITHIN))["d"] == {
                    "user_id": "bob",
                    "status": "dnd",
                    "custom_status": None,
                    "activity": None,
                }
        assert server.stop() == 0
        assert "Traceback" not in server.log
