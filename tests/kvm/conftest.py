import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import outer  # noqa: E402

USER = outer.USER_OF_VMS


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    try:
        machine = outer.machine_with_kvm(str(tmp_path_factory.mktemp("kvm")))
    except outer.NoOuterMachine as reason:
        pytest.skip(str(reason))
    with machine:
        machine.is_suspect = False
        yield machine


@pytest.fixture
def kvm(machine):
    """A machine with /dev/kvm; a fresh one if the last test failed in it."""
    if machine.is_suspect:
        machine.restart()
        machine.is_suspect = False
    yield machine


@pytest.fixture
def user(kvm):
    """The user that VMs run as by default."""
    if kvm.run(f"id -u {USER}", check=False)[0]:
        pytest.skip(f"this host has no user {USER}")
    return USER


def pytest_collection_modifyitems(items):
    for item in items:
        if "kvm" in item.fixturenames:
            item.obj = outer.fresh_machine_after_failure(item.obj)


@pytest.hookimpl
def pytest_runtest_makereport(item, call):
    if call.excinfo is not None and "machine" in item.funcargs:
        item.funcargs["machine"].is_suspect = True
