import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "guest"))
sys.path.insert(0, os.path.join(ROOT, "tests", "fabric"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import guest  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def image():
    guest.build_image()
    yield
