"""A demonstration as a process of its own, in a directory where it is to leave nothing."""

import pytest
from server_process import ServerProcess, running


class DemoProcess(ServerProcess):
    """`presence serve --demo` on free ports; the log and the ready file are not its own."""

    storage = ("--demo",)

    def __init__(self, directory, **settings):
        super().__init__(directory, **settings)
        self.working_directory = directory / "empty"
        self.working_directory.mkdir()


@pytest.fixture
def demo_process(tmp_path):
    with running(DemoProcess(tmp_path)) as server:
        yield server
