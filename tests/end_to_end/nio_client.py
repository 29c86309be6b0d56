"""A program on matrix-nio, an asyncio library: it runs in a process of its own.

Usage: nio_client.py SERVER USER. It logs in, syncs, prints what it is told as
lines of JSON, and obeys the words on its standard input.
"""

import asyncio
import json
import sys

from nio import AsyncClient, LoginResponse, PresenceEvent, PresenceGetResponse

SYNC_MS = 10_000


def say(**told):
    print(json.dumps(told), flush=True)


async def obey(client, line):
    """Do one thing: `set PRESENCE TEXT`, `get USER` or `quit`."""
    word, _, rest = line.strip().partition(" ")
    if word == "set":
        presence, _, text = rest.partition(" ")
        answer = await client.set_presence(presence, text)
        say(set=type(answer).__name__)
    elif word == "get":
        answer = await client.get_presence(rest)
        assert isinstance(answer, PresenceGetResponse), answer
        say(get=answer.presence, text=answer.status_msg, ago=answer.last_active_ago)


async def main(server, user):
    client = AsyncClient(server, user)
    answer = await client.login("any password", device_name="test")
    assert isinstance(answer, LoginResponse), answer
    say(logged_in=client.user_id)

    async def note(event):
        say(event=event.user_id, presence=event.presence, text=event.status_msg)

    client.add_presence_callback(note, PresenceEvent)
    syncing = asyncio.create_task(client.sync_forever(timeout=SYNC_MS))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "quit":
            break
        await obey(client, line)
    syncing.cancel()
    await client.close()


asyncio.run(main(*sys.argv[1:]))
