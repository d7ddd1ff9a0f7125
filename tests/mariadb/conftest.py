import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import server as mariadb  # noqa: E402


@pytest.fixture(scope="session")
def engine():
    if os.geteuid() != 0:
        pytest.skip("needs root, to run the server as its own user")
    if not os.path.exists(mariadb.STORE):
        pytest.skip("the storage module is not built: there is no RocksDB")
    reason = mariadb.build_engine()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def module(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    mariadb.let_others_in(folder, tmp_path_factory)
    module = mariadb.Module(folder).start()
    yield module
    module.stop()


@pytest.fixture(scope="session")
def server(module, tmp_path_factory):
    server = mariadb.Server(tmp_path_factory.mktemp("server"), module.channel, "--log-bin", "--binlog-format=ROW")
    server.install().start()
    server.ask("CREATE DATABASE IF NOT EXISTS test", database="mysql")
    yield server
    server.stop()


@pytest.fixture
def table(server):
    """Each test has table t, by itself."""
    server.ask("DROP TABLE IF EXISTS t, u")
    yield server
    server.ask("DROP TABLE IF EXISTS t, u")
