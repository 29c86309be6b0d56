"""How the server ends, and how it says that it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from wire import upgrade_request
from wire_client import wait_until

CLIENTS = 50
DRAINED_WITHIN = 10.0
FORCED_WITHIN = 1.0
SERVICE_RESTART = 1012


def open_mute_client(server):
    """A WebSocket whose client neither reads nor answers anything."""
    stream = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    stream.sendall(upgrade_request("/ws?user=mute"))
    answer = b""
    while b'"READY"' not in answer:
        answer += stream.recv(4096)
    return stream


def try_to_serve(*arguments):
    """Start a server that is to fail; returns the exit code and what it says in how long."""
    began_at = time.monotonic()
    ports = ("--port", 0, "--pipe-port", 0)  # unless the arguments, which come later, name others
    command = [sys.executable, "-m", "presence", "serve", *map(str, (*ports, *arguments))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    took = time.monotonic() - began_at
    print(f"\nexit {done.returncode} after {took:.2f} s: {done.stderr.strip()}")
    return done.returncode, done.stderr


def assert_one_sentence(text, *words):
    assert text.startswith("Error: ")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    for word in words:
        assert str(word) in text


def test_a_stop_closes_with_1012_and_publishes_nothing(serving):
    with serving(max_presence_changes=0) as server:
        clients = [server.client(f"user{index:02}", device="phone") for index in range(CLIENTS)]
        mute = open_mute_client(server)
        clients[1].set("dnd", custom_status="Deploying")
        clients[2].set("offline")
        clients[0].wait_for(lambda _: clients[0].told_of("user02")[-1:] != [])
        clients[0].wait_for(lambda _: clients[0].told_of("user02")[-1][1] == "offline")
        for client in clients:
            client.beat()
        told_before = [len(client.frames) for client in clients]

        began_at = time.monotonic()
        server.signal(signal.SIGTERM)
        codes = [client.wait_closed() for client in clients]
        exit_code = server.process.wait(DRAINED_WITHIN)
        took = time.monotonic() - began_at
        mute.close()
        told = sum(len(client.frames) for client in clients) - sum(told_before)
        print(f"\nSIGTERM: exit {exit_code} after {took:.2f} s,")
        print(
            f"{codes.count(SERVICE_RESTART)} of {CLIENTS} told 1012, {told} frames after the signal"
        )
        assert exit_code == 0
        assert codes == [SERVICE_RESTART] * CLIENTS
        assert told == 0
        assert took < DRAINED_WITHIN
        assert "Traceback" not in server.log

        # Who comes back to the next process is as it was, whatever the connect asks for.
        server.start()
        observer = server.client("user00", device="phone")
        busy = server.client("user01", device="phone", status="online")
        hidden = server.client("user02", device="phone", status="online")
        observer.wait_for(lambda _: observer.told_of("user01"))
        assert (busy.self_view["status"], busy.self_view["custom_status"]) == ("dnd", "Deploying")
        assert hidden.self_view["status"] == "offline"
        assert [status for _, status in observer.told_of("user01")] == ["dnd"]
        assert observer.told_of("user02") == []


def test_no_connection_is_accepted_while_draining(serving):
    with serving() as server:
        client = server.client("alice")
        mute = open_mute_client(server)
        server.signal(signal.SIGINT)
        assert client.wait_closed() == SERVICE_RESTART
        assert server.process.poll() is None  # it waits for the answer of the mute one
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)
        assert server.process.wait(DRAINED_WITHIN) == 0
        mute.close()


def test_a_second_signal_ends_the_process_at_once(serving):
    with serving() as server:
        client = server.client("alice")
        mute = open_mute_client(server)
        server.signal(signal.SIGTERM)
        assert client.wait_closed() == SERVICE_RESTART
        assert server.process.poll() is None
        began_at = time.monotonic()
        server.signal(signal.SIGTERM)
        exit_code = server.process.wait(DRAINED_WITHIN)
        took = time.monotonic() - began_at
        mute.close()
        print(f"\nsecond SIGTERM: exit {exit_code} after {took:.3f} s")
        assert exit_code == 128 + signal.SIGTERM
        assert took < FORCED_WITHIN
        assert "stop_forced" in server.log
        assert "Traceback" not in server.log


def test_a_hangup_ends_nothing_and_is_noted(serving):
    with serving() as server:
        client = server.client("alice")
        for count in (1, 2):
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.log.count('"not_reloaded"') == count)  # noqa: B023
        client.beat()
        assert client.is_open
        assert server.stop() == 0
        assert "draining" in server.log
        assert "stop_forced" not in server.log


def test_a_hangup_while_the_server_drains_does_not_cut_the_drain_short(serving):
    with serving() as server:
        client = server.client("alice")
        mute = open_mute_client(server)
        server.signal(signal.SIGTERM)
        assert client.wait_closed() == SERVICE_RESTART
        server.signal(signal.SIGHUP)
        wait_until(lambda: "not_reloaded" in server.log)
        assert server.process.wait(DRAINED_WITHIN) == 0
        mute.close()


@pytest.mark.parametrize("option", ["--port", "--pipe-port"])
def test_a_port_in_use_is_named(tmp_path, option):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = try_to_serve(option, port, "--data", tmp_path / "data")
    assert code == 69
    assert_one_sentence(without_log(said), port)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("203.0.113.7", id="not ours"),
        pytest.param("presence.invalid", id="unknown"),
        pytest.param("a..b", id="no name"),
    ],
)
def test_an_address_that_is_not_to_be_had_is_named(tmp_path, host):
    code, said = try_to_serve("--host", host, "--no-dev", "--data", tmp_path / "data")
    assert code == 69
    assert_one_sentence(without_log(said), f"cannot listen on {host}:0: ")


@pytest.mark.parametrize("where", ["missing/ready.json", "file/ready.json", "."])
def test_a_ready_file_that_cannot_be_written_is_named_before_anything_is_opened(tmp_path, where):
    (tmp_path / "file").write_text("")
    ready = tmp_path / where
    code, said = try_to_serve("--data", tmp_path / "data", "--ready-file", ready)
    assert code == 78
    assert_one_sentence(said, "--ready-file", ready)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def pipe_without_reader():
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("streams", [["stdout"], ["stderr"], ["stdout", "stderr"]])
def test_a_server_lives_and_stops_well_when_nobody_reads_what_it_prints(
    serving, pipe_without_reader, streams
):
    with serving(streams=dict.fromkeys(streams, pipe_without_reader)) as server:
        server.client("alice").beat()
        assert server.stop() == 0
        assert "Traceback" not in server.log
        assert "BrokenPipe" not in server.log


def test_a_failed_start_has_its_exit_code_when_nobody_reads_why(tmp_path, pipe_without_reader):
    command = [sys.executable, "-m", "presence", "serve", "--data", str(tmp_path / "data")]
    environment = os.environ | {"PRESENCE_SWEEP_EVERY": "0"}
    environment.pop("PYTHONUNBUFFERED", None)
    done = subprocess.run(command, stderr=pipe_without_reader, env=environment, timeout=20)
    assert done.returncode == 78


def test_a_second_server_on_the_same_data_is_refused(serving):
    with serving() as server:
        code, said = try_to_serve("--data", server.data)
        assert code == 74
        assert_one_sentence(without_log(said), "another presence server", server.data)
        server.client("alice").beat()
        assert server.stop() == 0


@pytest.mark.parametrize("taken", [".", "presence.db", "secret.key"])
def test_an_unusable_data_directory_is_named(tmp_path, taken):
    data = tmp_path / "other"
    if taken == ".":
        data.write_text("not a directory")
    else:
        (data / taken).mkdir(parents=True)
    code, said = try_to_serve("--data", data)
    assert code == 74
    assert_one_sentence(without_log(said), data)


def test_a_bad_setting_is_named(tmp_path):
    file = tmp_path / "presence.toml"
    file.write_text("swep_every = 3")
    code, said = try_to_serve("--data", tmp_path / "data", "--config", file)
    assert code == 78
    assert_one_sentence(said, "swep_every", "sweep_every")
    assert not (tmp_path / "data").exists()


def without_log(said):
    """Standard error without the lines of the log."""
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith("{"))
