"""Settings: where they come from, what is refused and which are at odds."""

import ast
from ipaddress import ip_network
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.config import Config, find_unknown_variables, load_config, print_config
from presence.core.rule_settings import Rules
from presence.errors import BadConfig
from presence.frontends.socket_times import SocketTimes
from presence.transport.limits import NetLimits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings_file(tmp_path):
    def write(text):
        file = tmp_path / "presence.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_without_anything_the_defaults_hold():
    assert load_config(None, {}, {}) == Config()


def test_the_environment_beats_the_file_and_a_flag_beats_both(settings_file):
    file = settings_file("port = 1\nsweep_every = 5\nhost = 'localhost'\n")
    environ = {"PRESENCE_PORT": "2", "PRESENCE_SWEEP_EVERY": "6"}
    loaded = load_config(file, environ, {"port": 3, "host": None})
    assert loaded == Config(port=3, sweep_every=6.0, host="localhost")


def test_every_kind_of_setting_is_read_from_a_file(settings_file):
    file = settings_file(
        """
        sweep_every = 7
        grace_after = 0
        single_login = true
        max_devices_per_user = 0
        pipe_port = "off"
        data = "/var/lib/presence"
        token_jwks = "keys.json"
        token_audience = "https://chat.example.org"
        token_issuer = "https://id.example.org"
        token_admin_claim = "https://example.org/admin"
        origins = ["https://chat.example.org", "http://[::1]:3000"]
        trusted_proxies = ["10.0.0.0/8", "::1/128"]
        log_format = "json"
        """
    )
    assert load_config(file, {}, {}) == Config(
        sweep_every=7.0,
        grace_after=0.0,
        single_login=True,
        max_devices_per_user=0,
        pipe_port="off",
        data=Path("/var/lib/presence"),
        token_jwks=Path("keys.json"),
        token_audience="https://chat.example.org",
        token_issuer="https://id.example.org",
        token_admin_claim="https://example.org/admin",
        origins=("https://chat.example.org", "http://[::1]:3000"),
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
        log_format="json",
    )


def test_every_kind_of_setting_is_read_from_the_environment():
    environ = {
        "PRESENCE_SWEEP_EVERY": "0.25",
        "PRESENCE_SINGLE_LOGIN": "true",
        "PRESENCE_MAX_DEVICES_PER_USER": "3",
        "PRESENCE_PIPE_PORT": "7071",
        "PRESENCE_DATA": "elsewhere",
        "PRESENCE_TOKEN_PUBLIC_KEY": "key.pem",
        "PRESENCE_TOKEN_AUDIENCE": "any",
        "PRESENCE_ORIGINS": "https://a.example, https://b.example",
        "PRESENCE_TRUSTED_PROXIES": "",
        "PRESENCE_LOG_LEVEL": "debug",
    }
    assert load_config(None, environ, {}) == Config(
        sweep_every=0.25,
        single_login=True,
        max_devices_per_user=3,
        pipe_port=7071,
        data=Path("elsewhere"),
        token_public_key=Path("key.pem"),
        token_audience="any",
        origins=("https://a.example", "https://b.example"),
        log_level="debug",
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('port = "8080"', "port must be a whole number from 0 to 65535"),
        ("port = true", "port must be a whole number from 0 to 65535"),
        ("port = 8080.0", "port must be a whole number from 0 to 65535"),
        ("port = 65536", "port must be a whole number from 0 to 65535"),
        ("pipe_port = -1", 'pipe_port must be a whole number from 0 to 65535 or "off"'),
        ("max_devices_per_user = -1", "max_devices_per_user must be a whole number from 0 to"),
        ("large_threshold = 0", "large_threshold must be a whole number from 1 to"),
        ("everyone_server = 1", "everyone_server must be true or false"),
        ('everyone_server = "true"', "everyone_server must be true or false"),
        ('sweep_every = "120"', "sweep_every must be a number of seconds"),
        ("sweep_every = true", "sweep_every must be a number of seconds"),
        ("sweep_every = 0", "sweep_every must be more than 0"),
        ("sweep_every = -1", "sweep_every must be more than 0"),
        ("grace_after = -1", "grace_after must be 0 or more"),
        ("sweep_every = inf", "sweep_every must be finite and at most ten years"),
        ("sweep_every = nan", "sweep_every must be finite and at most ten years"),
        ("sweep_every = 1e300", "sweep_every must be finite and at most ten years"),
        ("host = ''", "host must be a text without blanks"),
        ("host = 5", "host must be a text without blanks"),
        ("log_format = 'xml'", 'log_format must be "auto" or "json" or "console"'),
        ("data = 5", "data must be a path"),
        ("data = ''", "data must be a path"),
        ("token_public_key = '-----BEGIN PUBLIC KEY-----'", "must be the path of a file, not what"),
        ("token_audience = ''", "token_audience must be a text without blanks"),
        ("token_audience = ['chat']", "token_audience must be a text without blanks"),
        ("token_issuer = 5", "token_issuer must be a text without blanks"),
        ("token_admin_claim = true", "token_admin_claim must be a text without blanks"),
        ("origins = 'https://a.example'", "origins must be a list of texts"),
        ("origins = [1]", "origins must be a list of texts"),
        ("origins = ['https://a.example/']", "origins holds 'https://a.example/'"),
        ("origins = ['https://A.example']", "origins holds 'https://A.example'"),
        ("origins = ['*']", "origins holds '*'"),
        ("trusted_proxies = ['10.0.0.1/8']", "trusted_proxies holds no network"),
        ("trusted_proxies = ['proxy']", "trusted_proxies holds no network"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_naming_its_key(settings_file, line, complaint):
    with pytest.raises(BadConfig) as refused:
        load_config(settings_file(line), {}, {})
    assert complaint in str(refused.value)
    assert "presence.toml: " in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[
            ("PRESENCE_PORT", text)
            for text in ("1_000", " 7 ", "\uff11\uff12", "+7", "7\n", "", "0x10")
        ],
        *[
            ("PRESENCE_SWEEP_EVERY", text)
            for text in ("1_0", " 7", "\uff11", "1e3", "inf", "nan", "")
        ],
        *[("PRESENCE_SINGLE_LOGIN", text) for text in ("1", "yes", "True", "")],
        ("PRESENCE_PIPE_PORT", "Off"),
        ("PRESENCE_PORT", "9" * 5000),
    ],
)
def test_an_environment_variable_that_is_nearly_a_value_is_refused(name, text):
    with pytest.raises(BadConfig, match=f"^{name} must be"):
        load_config(None, {name: text}, {})


def test_flags_are_checked_like_everything_else():
    with pytest.raises(BadConfig, match=r"^port must be a whole number"):
        load_config(None, {}, {"port": 70000})


def test_an_unknown_key_is_refused_with_the_nearest_name(settings_file):
    with pytest.raises(BadConfig, match="'sweep_evry' is not a setting; did you mean sweep_every"):
        load_config(settings_file("sweep_evry = 3"), {}, {})


def test_a_table_is_an_unknown_key(settings_file):
    with pytest.raises(BadConfig, match="'limits' is not a setting"):
        load_config(settings_file("[limits]\nmax_frame_bytes = 3"), {}, {})


def test_an_unknown_variable_is_a_warning_and_the_clients_ones_are_known():
    environ = {
        "PRESENCE_PROT": "1",
        "PRESENCE_URL": "http://x",
        "PRESENCE_TOKEN": "t",
        "PRESENCE_PORT": "1",
        "HOME": "/",
    }
    assert find_unknown_variables(environ) == [
        "PRESENCE_PROT is not a setting and is ignored; did you mean PRESENCE_PORT?"
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"port = ", "is not valid TOML"),
        (b"port = 1\nport = 2", "is not valid TOML"),
        (b"a = " + b"[" * 100_000, "is not valid TOML"),
        (b"host = '\xff'", "is not a text in UTF-8"),
    ],
)
def test_a_file_that_is_no_settings_file_is_named(tmp_path, content, complaint):
    file = tmp_path / "presence.toml"
    file.write_bytes(content)
    with pytest.raises(BadConfig, match=complaint):
        load_config(file, {}, {})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadConfig, match=r"missing\.toml cannot be read: No such file"):
        load_config(tmp_path / "missing.toml", {}, {})


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"socket_lost_after": 30}, "socket_lost_after must be longer than socket_ping_every"),
        ({"lease_after": 14401}, "lease_after must be at most 14400"),
        ({"port": 7070}, "pipe_port must be another one than port"),
    ],
)
def test_settings_at_odds_are_refused(flags, complaint):
    with pytest.raises(BadConfig, match=complaint):
        load_config(None, {}, flags)


@pytest.mark.parametrize("setting", ["token_public_key", "token_jwks"])
def test_keys_of_others_need_an_audience_and_the_sentence_says_what_to_write(
    settings_file, setting
):
    file = settings_file(f'{setting} = "key"')
    with pytest.raises(BadConfig) as refused:
        load_config(file, {}, {})
    assert str(refused.value).startswith(f"{setting} lets in tokens that others sign: ")
    assert 'set token_audience to the name that they carry in "aud"' in str(refused.value)
    assert 'or to "any"' in str(refused.value)
    for audience in ("https://chat.example.org", "any"):
        loaded = load_config(file, {"PRESENCE_TOKEN_AUDIENCE": audience}, {})
        assert loaded.token_audience == audience


@pytest.mark.parametrize("setting", ["token_audience", "token_issuer", "token_admin_claim"])
def test_a_demand_on_foreign_tokens_without_their_keys_is_refused(setting):
    with pytest.raises(BadConfig, match=f"^{setting} is about tokens .* token_jwks to their keys"):
        load_config(None, {}, {setting: "any"})


def test_two_free_ports_are_not_the_same_port():
    assert load_config(None, {}, {"port": 0, "pipe_port": 0}) == Config(port=0, pipe_port=0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_development_mode_is_on_while_only_this_machine_can_connect(host):
    assert Config(host=host).is_development


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.example.org"]
)
def test_other_machines_are_let_in_with_tokens_only(host):
    assert not Config(host=host).is_development
    with pytest.raises(BadConfig, match=f"host {host} lets other machines in.*--no-dev"):
        Config(host=host, is_development=True)


def test_development_mode_can_be_switched_off_on_this_machine():
    assert not load_config(None, {}, {"is_development": False}).is_development


def test_a_printed_config_is_a_settings_file_that_gives_it_back(settings_file):
    config = Config(
        host="::1",
        pipe_port="off",
        data=Path('/with "quotes" and ü'),
        token_jwks=Path("keys.json"),
        token_audience="any",
        token_issuer="https://id.example.org",
        token_admin_claim="boss",
        origins=("https://a.example",),
        trusted_proxies=(ip_network("10.0.0.0/8"),),
        sweep_every=0.5,
        is_development=False,
    )
    assert load_config(settings_file(print_config(config)), {}, {}) == config


def test_every_setting_but_the_absent_ones_is_printed():
    printed = {line.partition(" = ")[0] for line in print_config(Config()).splitlines()}
    assert {field.name for field in attrs.fields(Config)} - printed == {
        "token_public_key",
        "token_jwks",
        "token_audience",
        "token_issuer",
        "token_admin_claim",
    }


def test_the_defaults_of_rules_limits_and_times_are_those_of_the_settings():
    config = Config()
    assert (config.rules, config.times) == (Rules(), SocketTimes())
    assert config.limits == NetLimits(is_development=True)


def test_settings_reach_rules_limits_and_times():
    config = Config(
        grace_after=1.0,
        max_devices_per_user=2,
        handshake_after=3.0,
        origins=("https://a.example",),
        is_development=False,
        socket_ping_every=4.0,
        socket_lost_after=5.0,
    )
    assert config.rules == Rules(grace_after=1.0, max_devices_per_user=2)
    assert config.limits == NetLimits(
        handshake_after=3.0,
        origins=("https://a.example",),
        socket_ping_every=4.0,
        socket_lost_after=5.0,
    )
    assert config.times == SocketTimes(ping_every=4.0, lost_after=5.0)


def names_read_in(file):
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_every_setting_is_read_somewhere():
    files = set(ROOT.glob("presence/**/*.py")) - {ROOT / "presence" / "config.py"}
    read = set().union(*map(names_read_in, files))
    handed_on = {
        f"socket_{field.name}" for field in attrs.fields(SocketTimes) if field.name in read
    }
    assert {field.name for field in attrs.fields(Config)} - read - handed_on == set()


@given(st.sampled_from([field.name for field in attrs.fields(Config)]), st.text())
def test_no_text_in_the_environment_makes_anything_but_a_config_or_bad_config(key, text):
    try:
        load_config(None, {f"PRESENCE_{key.upper()}": text}, {})
    except BadConfig as refused:
        assert key in str(refused).lower()  # noqa: PT017  # both ways out are right
