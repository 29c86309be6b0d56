"""The load of requests: every answer is checked, and each check fails when it should."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest

from bench.machine import choose_cores
from bench.requests import Asked, find_answer, measure

RIGHT = Asked("POST", "/users/presence", "token", body='{"ids":["a"]}', answer="[1]", has="1")


@pytest.fixture
def asking(tmp_path):
    """`asking(reply, plan)` measures a server that answers each body with `reply(body)`."""
    servers = []

    def ask(reply, plan):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                got = self.rfile.read(int(self.headers["content-length"])).decode()
                status, body = reply(got)
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return measure(
            plan,
            port=server.server_address[1],
            server_pid=os.getpid(),
            seconds=0.1,
            cores=choose_cores(),
            directory=tmp_path,
        )

    yield ask
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_right_answers_pass_every_check(asking):
    heard = asking(lambda body: (200, "[1]"), [[RIGHT], [RIGHT]])
    assert (heard.wrong, heard.unanswered) == (0, 0)
    assert heard.waits.total == heard.requests > 0


def test_each_connection_asks_its_requests_in_turn(asking):
    bodies = []

    def reply(body):
        bodies.append(body)
        return 200, body

    turns = [attrs.evolve(RIGHT, body=each, answer=each, has="") for each in ("one", "two", "six")]
    assert asking(reply, [turns]).wrong == 0
    assert bodies[:5] == ["one", "two", "six", "one", "two"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, "[1]", id="status"),
        pytest.param(200, "[1,2]", id="body"),
    ],
)
def test_another_answer_is_wrong(asking, status, body):
    heard = asking(lambda _: (status, body), [[RIGHT]])
    assert heard.wrong >= heard.requests > 0


def test_a_connection_that_ends_is_unanswered(asking):
    assert asking(lambda body: (0, ""), [[RIGHT], [RIGHT]]).unanswered == 2


@pytest.mark.parametrize(
    ("status", "body", "is_right"),
    [(200, b"[1]", True), (201, b"[1]", False), (200, b"[2]", False)],
)
def test_a_part_of_the_body_may_be_all_that_is_known(status, body, is_right):
    assert attrs.evolve(RIGHT, answer=None).is_answered_by(status, body) is is_right


def test_an_answer_is_found_once_its_last_byte_is_there():
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nx: y: z\r\n\r\nbody"
    assert all(find_answer(answer[:cut]) is None for cut in range(len(answer)))
    assert find_answer(answer + b"HTTP/1.1") == (404, b"body", len(answer))


def test_an_answer_without_a_length_is_refused():
    with pytest.raises(ValueError, match="length"):
        find_answer(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n")
