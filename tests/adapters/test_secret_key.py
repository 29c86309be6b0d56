"""The secret's file: made once, whole, and for nobody else's eyes."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from presence.adapters.secret_key import FILE_NAME, open_secret, read_secret
from presence.errors import DataUnusable


def test_the_first_start_makes_a_secret_that_later_starts_read(tmp_path):
    data = tmp_path / "new" / "data"
    made = open_secret(data)
    assert open_secret(data) == read_secret(data) == made
    assert len(made.key) >= 43
    assert (data / FILE_NAME).read_bytes().strip() == made.key


def test_nobody_else_can_read_what_was_made(tmp_path):
    data = tmp_path / "data"
    secret = open_secret(data)
    assert stat.S_IMODE((data / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert not secret.is_exposed


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_may_read_is_reported(tmp_path, mode):
    open_secret(tmp_path)
    (tmp_path / FILE_NAME).chmod(mode)
    assert open_secret(tmp_path).is_exposed


def test_two_servers_have_different_secrets(tmp_path):
    assert open_secret(tmp_path / "a").key != open_secret(tmp_path / "b").key


def test_processes_that_start_at_once_agree_and_leave_nothing_behind(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(open_secret, [tmp_path] * 40))
    assert len(set(secrets)) == 1
    assert os.listdir(tmp_path) == [FILE_NAME]


def test_a_secret_put_there_by_hand_is_used_without_the_space_around_it(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\n a secret of my own choice \r\n")
    assert open_secret(tmp_path).key == b"a secret of my own choice"


@pytest.mark.parametrize("content", [b"", b"\n", b"fifteen letters", b" fifteen letters\n"])
def test_an_empty_or_short_secret_is_refused_and_left_alone(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(DataUnusable, match="holds no key of at least 16 characters"):
        open_secret(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_secret_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(DataUnusable, match=r"secret\.key cannot be read: Is a directory"):
        open_secret(tmp_path)


def test_a_data_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(DataUnusable, match=r"data/secret\.key cannot be made: "):
        open_secret(tmp_path / "data")


def test_reading_alone_makes_nothing(tmp_path):
    with pytest.raises(DataUnusable, match=r"secret\.key is missing: `presence serve` makes it"):
        read_secret(tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_key_does_not_show_when_a_secret_is_printed(tmp_path):
    secret = open_secret(tmp_path)
    assert secret.key.decode() not in f"{secret!r} {secret}"
