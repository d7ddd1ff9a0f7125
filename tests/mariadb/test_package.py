"""The Debian package of the engine. That a server which has it loads it, the guests of tests/system say: theirs come from there."""

import glob
import os
import subprocess

import pytest

import server as mariadb

SCRIPT = os.path.join(mariadb.ROOT, "packaging", "mariadb-engine", "build")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def server_version():
    with open(os.path.join(mariadb.MARIADB, "version")) as file:
        return file.read().strip()


@pytest.fixture(name="package", scope="module")
def built_package(engine, tmp_path_factory):
    return run(SCRIPT, str(tmp_path_factory.mktemp("packages")), mariadb.MARIADB).strip()


class Root:
    """A folder that dpkg takes for a whole system, which has packages (name -> version)."""

    def __init__(self, directory, packages):
        self.directory = str(directory)
        state = os.path.join(self.directory, "var", "lib", "dpkg")
        for folder in "info", "updates":
            os.makedirs(os.path.join(state, folder))
        with open(os.path.join(state, "status"), "w") as file:
            for name, version in packages.items():
                file.write(f"Package: {name}\nStatus: install ok installed\nArchitecture: {architecture()}\nMaintainer: nobody\n"
                           f"Version: {version}\nDescription: {name}\n\n")

    def install(self, package):
        return subprocess.run(["dpkg", f"--root={self.directory}", "--install", package], capture_output=True, text=True)

    def path(self, name):
        return os.path.join(self.directory, name)


def architecture():
    return run("dpkg", "--print-architecture").strip()


def libraries():
    return {name: run("dpkg-query", "-W", "-f", "${Version}", f"{name}:{architecture()}") for name in ("libc6", "libgcc-s1", "libstdc++6")}


def test_it_installs_beside_the_server_that_it_was_built_for(package, tmp_path):
    root = Root(tmp_path, {"mariadb-server": server_version(), **libraries()})
    done = root.install(package)
    assert done.returncode == 0, done.stderr
    shown = run("dpkg-query", f"--root={root.directory}", "-W", "-f", "${Status} ${Version} ${Conffiles}", "sluice-mariadb-engine")
    assert shown.startswith("install ok installed 0.") and server_version().split(":")[-1] in shown
    assert "/etc/mysql/mariadb.conf.d/sluice.cnf" in shown
    assert os.path.exists(root.path("usr/lib/mysql/plugin/ha_sluice.so"))
    assert glob.glob(root.path("usr/share/man/man7/sluice-mariadb-engine.7.gz"))


def test_another_server_is_refused(package, tmp_path):
    other = "1:10.11.3-1" if server_version() != "1:10.11.3-1" else "1:10.11.4-1"
    done = Root(tmp_path, {"mariadb-server": other, **libraries()}).install(package)
    assert done.returncode != 0 and f"mariadb-server (= {server_version()})" in done.stderr


class PackagedServer(mariadb.Server):
    """With the plugin and its configuration as a package has them, but for where the channel is."""

    def __init__(self, directory, channel, files):
        super().__init__(directory, channel)
        self.files = files

    def plugin_options(self):
        return [f"--defaults-file={self.files}/etc/mysql/mariadb.conf.d/sluice.cnf"], \
            [f"--plugin-dir={self.files}/usr/lib/mysql/plugin", f"--sluice-channel=unix:{self.channel}"]


def test_a_server_loads_the_engine_as_its_configuration_says(package, module, tmp_path_factory):
    files = str(tmp_path_factory.mktemp("files"))
    run("dpkg", "-x", package, files)
    server = PackagedServer(tmp_path_factory.mktemp("packaged"), module.channel, files).install().start()
    try:
        query = "SELECT plugin_status, plugin_library FROM information_schema.plugins WHERE plugin_name = 'SLUICE'"
        assert server.ask(query, database="mysql") == ["ACTIVE\tha_sluice.so"]
        server.ask("CREATE DATABASE packaged; CREATE TABLE packaged.t (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO packaged.t VALUES (7)",
                   database="mysql")
        assert server.ask("SELECT a FROM packaged.t; DROP DATABASE packaged", database="mysql") == ["7"]
    finally:
        server.stop()
