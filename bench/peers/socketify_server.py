"""uWebSockets (C++) through socketify: native publish to a topic."""

import sys
from typing import Any

from socketify import App, CompressOptions, OpCode

TOPIC = "updates"


def upgrade(response: Any, request: Any, context: Any) -> None:
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        {"listens": request.get_url() == "/listen"},
    )


def open_socket(socket: Any) -> None:
    if socket.get_user_data()["listens"]:
        socket.subscribe(TOPIC)


def tell_all(socket: Any, message: Any, opcode: Any) -> None:
    app.publish(TOPIC, message, OpCode.TEXT)


app = App()
app.ws(
    "/*",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 16384,
        "max_backpressure": 64 << 20,
        "idle_timeout": 0,
        "upgrade": upgrade,
        "open": open_socket,
        "message": tell_all,
    },
)
app.listen(
    {"port": int(sys.argv[1]), "host": "127.0.0.1"},
    lambda config: print(config.port, flush=True),
)
# Not app.run(): that polls between turns of asyncio, and burns a core while nothing comes.
app.loop.uv_loop.run()
