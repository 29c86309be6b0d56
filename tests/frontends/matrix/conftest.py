"""Matrix clients of a whole server in this process."""

import attrs
import pytest

PREFIX = "/_matrix/client/v3"


@attrs.define
class MatrixClient:
    """A client of the client-server API that is logged in."""

    server: object
    user: str
    user_id: str
    device: str
    token: str
    since: str | None = None

    async def request(self, method, path, body=None):
        return await self.server.request(method, PREFIX + path, token=self.token, body=body)

    async def sync(self, timeout=0, **query):
        """Sync from where the last one ended; returns the events by sender."""
        if self.since is not None:
            query.setdefault("since", self.since)
        query |= {"timeout": timeout}
        answer = await self.request(
            "GET", "/sync?" + "&".join(f"{key}={value}" for key, value in query.items())
        )
        assert answer.status == 200, answer
        self.since = answer.json["next_batch"]
        events = answer.json["presence"]["events"]
        assert len({event["sender"] for event in events}) == len(events), "each user once"
        return {event["sender"]: event["content"] for event in events}

    async def presences(self, timeout=0, **query):
        """As `sync`; the presences of the others alone."""
        events = await self.sync(timeout, **query)
        return {
            sender: content["presence"]
            for sender, content in events.items()
            if sender != self.user_id
        }

    async def put(self, presence, **body):
        path = f"/presence/{self.user_id}/status"
        return await self.request("PUT", path, {"presence": presence, **body})

    async def get(self, user_id):
        return await self.request("GET", f"/presence/{user_id}/status")


@pytest.fixture
def log_in():
    async def log_in(server, user, device=None):
        body = {"type": "m.login.password", "user": user, "password": "any"}
        if device is not None:
            body["device_id"] = device
        answer = await server.request("POST", f"{PREFIX}/login", body=body)
        assert answer.status == 200, answer
        found = answer.json
        token, user_id = found["access_token"], found["user_id"]
        return MatrixClient(server, user, user_id, found["device_id"], token)

    return log_in
