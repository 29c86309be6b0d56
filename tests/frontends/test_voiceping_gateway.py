"""Token, device and subprotocol of an upgrade."""

import math

import pytest

from presence.core.types import UserId
from presence.errors import InvalidInput
from presence.frontends.client_connection import ConnectParams
from presence.frontends.socket_times import SocketTimes
from presence.frontends.voiceping.gateway import VoicePingGateway
from presence.live.claims import Claims
from presence.transport.http.request import Request

SEVEN = Claims(UserId("7"), expires_at=math.inf)


@pytest.fixture
def gateway():
    return VoicePingGateway(None, SocketTimes())


def upgrade(path="/voiceping", offered=None, **headers):
    if offered is not None:
        headers["sec-websocket-protocol"] = offered
    return Request("GET", path, headers=headers)


@pytest.mark.parametrize(
    ("request_", "takes"),
    [
        (upgrade("/voiceping"), True),
        (upgrade("/a/b/voiceping"), True),
        (upgrade("/myvoiceping"), False),
        (upgrade("/voiceping/"), False),
        (upgrade("/voiceping/more"), False),
        (upgrade("/VoicePing"), False),
        (upgrade("/", token="t"), True),
        (upgrade("/x", voicepingtoken="t"), True),
        (upgrade("/x", token="", voicepingtoken="t"), True),
        (upgrade("/x", token=""), False),
        (upgrade("/x", device_id="phone"), False),
        (upgrade("/x", offered="t"), False),
    ],
)
def test_the_gateway_takes_its_path_or_a_token_header(gateway, request_, takes):
    assert gateway.takes(request_) is takes


@pytest.mark.parametrize(
    ("request_", "token"),
    [
        (upgrade(), None),
        (upgrade(token="t", voicepingtoken="v", offered="o"), "t"),
        (upgrade(voicepingtoken="v", offered="o"), "v"),
        (upgrade(token="", offered="o"), "o"),
        (upgrade(offered="o"), "o"),
        (upgrade(offered="o,d"), "o"),
        (upgrade(offered=" o , d "), "o"),
        (upgrade(offered="o d"), "o"),
        (upgrade(offered=",, o"), "o"),
        (upgrade(offered="voiceping.text, o, d"), "o"),
        (upgrade(offered="o,voiceping.text,d"), "o"),
        (upgrade(offered="voiceping.text"), None),
        (upgrade("/x", token="t", offered="o"), "t"),
        (upgrade("/x", offered="o"), None),
    ],
)
def test_where_the_token_is(gateway, request_, token):
    assert gateway.token_of(request_) == token


@pytest.mark.parametrize(
    ("request_", "device"),
    [
        (upgrade(), None),
        (upgrade(device_id="a", deviceid="b", offered="o,d"), "a"),
        (upgrade(deviceid="b", offered="o,d"), "b"),
        (upgrade(device_id="", deviceid="b"), "b"),
        (upgrade(offered="o,d"), "d"),
        (upgrade(offered="o d e"), "d"),
        (upgrade(offered="voiceping.text o d"), "d"),
        (upgrade(offered="o,voiceping.text,d"), "d"),
        (upgrade(offered="o,d,voiceping.text"), "d"),
        (upgrade(offered="o,voiceping.text"), None),
        (upgrade(token="t", offered="o,d"), "d"),
        (upgrade("/x", token="t", offered="o,d"), None),
        (upgrade("/x", token="t", device_id="a"), "a"),
    ],
)
def test_where_the_device_is(gateway, request_, device):
    assert gateway.connect_params_of(request_, SEVEN) == ConnectParams(device=device)


@pytest.mark.parametrize("request_", [upgrade(), upgrade(device_id="a"), upgrade(offered="o,d")])
def test_the_device_of_the_token_goes_before_all_others(gateway, request_):
    claims = Claims(UserId("7"), expires_at=math.inf, device="watch")
    assert gateway.connect_params_of(request_, claims) == ConnectParams(device="watch")


@pytest.mark.parametrize("request_", [upgrade(device_id="a b"), upgrade(offered="o,d/e")])
def test_an_invalid_device_is_refused(gateway, request_):
    with pytest.raises(InvalidInput):
        gateway.connect_params_of(request_, SEVEN)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        ("", None),
        ("o", "o"),
        ("o,d", "o"),
        ("o d", "o"),
        ("o,voiceping.text", "voiceping.text"),
        ("voiceping.text,o", "voiceping.text"),
        ("Voiceping.Text", "Voiceping.Text"),
    ],
)
@pytest.mark.parametrize("path", ["/voiceping", "/x"])
def test_the_chosen_subprotocol_is_text_or_the_first(gateway, path, offered, chosen):
    assert gateway.subprotocol_of(upgrade(path, offered, token="t")) == chosen
