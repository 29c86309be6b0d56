"""Radios on the pipe when a connection is lost, and when the server stops, dies or has no pipe."""

import os
import signal
import socket
import time

import pytest
from foreign_radios import ArrayRadio
from line_client import BUSY, OFFLINE, ONLINE, LineClient, status_line
from wire_client import ready_members, wait_until

GRACE_AFTER = 2.0
NOTICED_WITHIN = 1.0
PIPES = 20
BACKLOG = 10_000
EOF_WITHIN = 2.5
DRAINED_WITHIN = 10.0
LISTENING = "0A"


def statuses_of(browser, user):
    return [status for _, status in browser.told_of(user)]


def wait_shown(browser, user, status):
    browser.wait_for(lambda _: statuses_of(browser, user)[-1:] == [status])


def hang_up(pipe):
    pipe.socket.close()


def half_close(pipe):
    pipe.socket.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("end", [LineClient.vanish, hang_up, half_close])
def test_a_radio_that_is_lost_goes_offline_after_the_grace_and_not_before(serving, end):
    with serving(grace_after=GRACE_AFTER) as server:
        browser = server.client("7")
        with LineClient(server, "1") as radio, LineClient(server, "3") as other:
            radio.say(BUSY)
            wait_shown(browser, "1", "dnd")
            other.wait_line(status_line("1", BUSY))
            other.forget()

            # It is back in time: nobody has noticed.
            end(radio)
            time.sleep(GRACE_AFTER / 2)
            with LineClient(server, "1") as again:
                time.sleep(GRACE_AFTER)
                assert statuses_of(browser, "1") == ["online", "dnd"]

                lost_at = time.monotonic()
                end(again)
                wait_shown(browser, "1", "offline")
                after = browser.came_at[-1] - lost_at
                print(f"\nseen after {after:.3f} s, grace {GRACE_AFTER} s")
                assert GRACE_AFTER <= after < GRACE_AFTER + NOTICED_WITHIN
            other.wait_line(status_line("1", OFFLINE))
            other.catch_up()
            assert other.received == status_line("1", OFFLINE)


def test_a_stop_ends_the_pipes_and_publishes_nothing(serving):
    with serving(max_frames_per_second=0) as server:
        pipes = [LineClient(server, str(number)) for number in range(1, PIPES + 1)]
        pipes[0].say(BUSY)
        for pipe in pipes[1:]:
            pipe.wait_line(status_line("1", BUSY))
        for pipe in pipes:
            pipe.catch_up()
            pipe.forget()
        nobody = socket.create_connection(("127.0.0.1", server.pipe_port), EOF_WITHIN)

        # Most of this is unread when the server stops, which must not become a reset.
        pipes[-1].send(*[f"voiceping:{PIPES}"] * BACKLOG)
        began_at = time.monotonic()
        server.signal(signal.SIGTERM)
        for pipe in pipes:
            pipe.wait_end(EOF_WITHIN)
        assert nobody.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.pipe_port), 5)
        for pipe in pipes:
            pipe.socket.close()
        nobody.close()
        exit_code = server.process.wait(DRAINED_WITHIN)
        print(f"\nSIGTERM: exit {exit_code} after {time.monotonic() - began_at:.2f} s")
        assert exit_code == 0
        assert [pipe.received for pipe in pipes] == [b""] * PIPES
        assert "Traceback" not in server.log

        # Who comes back to the next process is as it was.
        server.start()
        with LineClient(server, "3") as other, LineClient(server, "1"):
            other.wait_line(status_line("1", BUSY))
            assert other.received == status_line("1", BUSY)


def test_radios_are_offline_after_a_kill_until_they_are_back(serving):
    with serving() as server:
        with LineClient(server, "1") as pipe, LineClient(server, "3") as other:
            pipe.say(BUSY)
            ArrayRadio(server, "2", BUSY)
            for user in ("1", "2"):
                other.wait_line(status_line(user, BUSY))
            wait_until(lambda: server.metric("presence_unsaved_records") == 0)
            server.kill()

        server.start()
        browser = server.client("7")
        members = ready_members(browser.frames[0])
        assert [members[user]["status"] for user in ("1", "2", "3")] == ["offline"] * 3
        with LineClient(server, "3") as other:
            assert other.received == status_line("7", ONLINE)
            with LineClient(server, "1"):
                wait_shown(browser, "1", "dnd")
            ArrayRadio(server, "2", BUSY)
            wait_shown(browser, "2", "dnd")
            for user in ("1", "2"):
                assert statuses_of(browser, user) == ["dnd"]  # and never online before
        assert server.stop() == 0
        assert "Traceback" not in server.log


def test_a_pipe_that_is_off_opens_no_port(serving):
    with serving(options=["--pipe-port", "off"]) as server:
        assert server.pipe_port is None
        assert listening_ports(server.process.pid) == {server.port}
        browser = server.client("7")
        ArrayRadio(server, "1", BUSY)
        wait_shown(browser, "1", "dnd")
        assert server.stop() == 0
        server.options = ()
        server.start()
        assert listening_ports(server.process.pid) == {server.port, server.pipe_port}


def listening_ports(pid):
    """The TCP ports at which the process listens."""
    links = [os.readlink(each) for each in os.scandir(f"/proc/{pid}/fd")]
    inodes = {link.strip("socket:[]") for link in links if link.startswith("socket:")}
    with open(f"/proc/{pid}/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    mine = [row for row in rows if row[3] == LISTENING and row[9] in inodes]
    return {int(row[1].partition(":")[2], 16) for row in mine}
