"""How large the tests of whole servers are."""

import faulthandler
import os

import pytest


@pytest.fixture
def is_full():
    """Whether to run at full size (PRESENCE_TEST_SCALE=full) and not at that of CI."""
    is_full = os.environ.get("PRESENCE_TEST_SCALE") == "full"
    if is_full:  # which takes longer than pytest lets a test take without showing where it is
        faulthandler.cancel_dump_traceback_later()
    return is_full
