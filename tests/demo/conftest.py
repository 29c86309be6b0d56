"""A demonstration as a process of its own, in a directory where it is to leave nothing."""

import pytest
from server_process import DemoProcess, running


@pytest.fixture
def demo_process(tmp_path):
    with running(DemoProcess(tmp_path)) as server:
        yield server
