"""Radios that are no code of ours and a browser, each seeing the other, through a real server."""

import functools
import subprocess
import time

import msgpack
import pytest
from foreign_radios import (
    ArrayRadio,
    NcRadio,
    NcRadioWithReturns,
    NodeRadio,
    PlainRadio,
    TextRadio,
    array,
    find_nc,
    install_node_packages,
)
from line_client import BUSY, OFFLINE, ONLINE, LineClient, status_line
from wire_client import WireClient

GRACE_AFTER = 1.0
REPLACED = 4003
USER_1_IS_BUSY = bytes.fromhex("95 00 05 01 00 02")
USER_70000_IS_OFFLINE = bytes.fromhex("95 00 05 ce 00 01 11 70 00 00")
IN_A_FRAME = b"\x82\x0a"  # binary, ten bytes long, as all arrays of the larger ids are

RADIOS = {
    "nc": NcRadio,
    "nc with CR LF": NcRadioWithReturns,
    "the README's client": PlainRadio,
    "websockets and msgpack": ArrayRadio,
    "websockets and text": TextRadio,
    "node, ws and notepack.io": NodeRadio,
}
OF_ARRAYS = ("websockets and msgpack", "node, ws and notepack.io")


@pytest.fixture(scope="session")
def node_packages(tmp_path_factory):
    return install_node_packages(tmp_path_factory.mktemp("node"))


@pytest.fixture
def open_radio(request):
    """A function of server, user and code that opens a radio of the kind that is asked for."""
    if RADIOS[request.param] is NodeRadio:
        return functools.partial(NodeRadio, packages=request.getfixturevalue("node_packages"))
    return RADIOS[request.param]


def wait_shown(browser, user, status):
    browser.wait_for(lambda _: [each for _, each in browser.told_of(user)][-1:] == [status])


def go_busy(server, open_radio, browser, pipe, wire):
    """Two radios do: the browser sees it, and so do the others."""
    two = open_radio(server, "2", BUSY)
    wait_shown(browser, "2", "dnd")
    one = open_radio(server, "1", BUSY)
    wait_shown(browser, "1", "dnd")
    two.wait_told("1", BUSY)
    pipe.wait_line(status_line("1", BUSY))
    pipe.forget()
    while wire.next_frame() != (2, USER_1_IS_BUSY):
        pass
    wire.forget()
    return one, two


def hide_and_depart(server, browser, other, radios):
    """The browser goes invisible, somebody else departs: there is no difference."""
    browser.set("offline")
    for radio in radios:
        radio.wait_told("70000", OFFLINE)
    other.close(1000)
    for radio in radios:
        radio.wait_told("70001", OFFLINE)
    answers = [
        server.request("GET", f"/api/v2/users/{user}", user="1") for user in ("70000", "70001")
    ]
    assert without_name(*answers[0], "70000") == without_name(*answers[1], "70001")


def do_much_unseen(server, browser):
    """Whatever the invisible one does then, its departure included, is not to be seen."""
    browser.set("offline", custom_status="Unseen", activity="Unseen")
    browser.beat()
    with LineClient(server, "70000") as hidden:
        hidden.send("voiceping:70000", "|0|5|70000|0|0|")
        hidden.catch_up()
        hidden.vanish()
    browser.reset()
    time.sleep(GRACE_AFTER + 0.5)  # time itself is what would tell it


@pytest.mark.parametrize("open_radio", RADIOS, indirect=True)
def test_a_radio_and_a_browser_see_each_other_and_nobody_sees_the_invisible(serving, open_radio):
    with serving(grace_after=GRACE_AFTER) as server:
        browser, other = server.client("70000"), server.client("70001")
        with (
            LineClient(server, "3") as pipe,
            WireClient(server.port, "/voiceping?user=4") as wire,
        ):
            radios = go_busy(server, open_radio, browser, pipe, wire)
            hide_and_depart(server, browser, other, radios)
            do_much_unseen(server, browser)
            server.client("70001")
            server.client("70000")
            for radio in radios:
                radio.wait_told("70000", ONLINE)
            pipe.wait_line(status_line("70000", ONLINE))
            wire.wait_bytes(array("70000", ONLINE))

            story = [
                ("70000", OFFLINE),
                ("70001", OFFLINE),
                ("70001", ONLINE),
                ("70000", ONLINE),
            ]
            assert pipe.received == b"".join(status_line(*step) for step in story)
            assert bytes(wire.received) == b"".join(IN_A_FRAME + array(*step) for step in story)
            assert array("70000", OFFLINE) == USER_70000_IS_OFFLINE
            for radio in radios:
                told = radio.told_of("70000", "70001")
                snapshot = [radio.frame("70000", ONLINE), radio.frame("70001", ONLINE)]
                assert sorted(told[:2]) == snapshot
                assert told[2:] == [radio.frame(*step) for step in story]
                assert radio.told == radio.told_of("1", "2", "3", "4", "70000", "70001")
        assert server.stop() == 0
        assert "Traceback" not in server.log


def without_name(status, headers, body, user):
    """An answer of the REST interface about *user*, without what names the user and the moment."""
    kept = sorted((name, value) for name, value in headers.items() if name.lower() != "date")
    assert (body.pop("id"), body.pop("username")) == (int(user), user)
    return status, kept, body


@pytest.mark.parametrize("open_radio", OF_ARRAYS, indirect=True)
def test_user_1_is_busy_in_the_six_bytes_that_are_published(serving, open_radio):
    with serving() as server:
        two = open_radio(server, "2", ONLINE)
        with LineClient(server, "3"):
            one = open_radio(server, "1", BUSY)
            two.wait_told("1", BUSY)
        assert one.wait_sent() == USER_1_IS_BUSY
        assert USER_1_IS_BUSY in two.told


def test_our_ping_names_the_user_to_node(serving, node_packages):
    with serving(socket_ping_every=0.5) as server:
        radio = NodeRadio(server, "1", BUSY, packages=node_packages)
        assert radio.wait_ping() == "voiceping:1"


def test_a_line_from_a_shell_script_is_answered(serving):
    with serving(grace_after=GRACE_AFTER) as server:
        browser = server.client("7")
        done = subprocess.run(
            [find_nc(), "-N", "127.0.0.1", str(server.pipe_port)],  # ends its side after the input
            input=b"|0|5|1|0|2|\n",
            capture_output=True,
            timeout=10,
            check=True,
        )
        assert done.stdout == b"|0|5|7|0|1|\n"
        wait_shown(browser, "1", "dnd")
        wait_shown(browser, "1", "offline")


def test_mistyped_lines_are_ignored(serving):
    with serving() as server:
        browser = server.client("7")
        radio = NcRadio(server, "1", ONLINE)
        radio.wait_told("7", ONLINE)
        radio.type("", "help", "0|5|1|0", "|0|5|2|0|2|", "|0|5|1|0|busy|", "voiceping:2", " ")
        radio.type("0|5|1|0|2")
        wait_shown(browser, "1", "dnd")
        browser.set("dnd")
        radio.wait_told("7", BUSY)
        assert browser.told_of("2") == []
        assert server.metric("presence_frames_dropped_total") == 5


def test_the_last_device_to_log_in_replaces_the_others(serving):
    with serving(single_login="true") as server:
        browser, own_page = server.client("7"), server.client("1")
        old = ArrayRadio(server, "1", BUSY, "phone")
        wait_shown(browser, "1", "dnd")
        with LineClient(server, "3") as pipe:
            assert pipe.received.count(status_line("1", BUSY)) == 1
            ArrayRadio(server, "1", BUSY, "desk")
            assert old.wait_closed() == REPLACED
            *fields, text = msgpack.unpackb(old.told[-1])
            assert (fields, type(text)) == ([1, 9, 0, 1], str)
            browser.set("dnd")
            pipe.wait_line(status_line("7", BUSY))
            assert status_line("1", OFFLINE) not in pipe.received
        assert {status for _, status in browser.told_of("1")} == {"online", "dnd"}
        assert own_page.is_open
