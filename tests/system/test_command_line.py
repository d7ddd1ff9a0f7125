"""What the command says to people who mistype it."""

import subprocess

import pytest

from daemon import SLUICE


def run(*words):
    return subprocess.run([SLUICE, "--control", "/nonexistent.sock", *words], capture_output=True, text=True)


@pytest.mark.parametrize("words, complaint", [
    ("disk", "there are 'disk list', 'disk show', 'disk add', 'disk set', 'disk remove'"),
    ("disk lst", "did you mean 'disk list'?"),
    ("disk show", "the name of a disk"),
    ("disk add gold --size", "'--size' needs a value"),
    ("disk add gold --sise 1GiB", "did you mean '--size'?"),
    ("disk set gold", "needs something to change: --size"),
    ("nic", "there are 'nic list', 'nic show', 'nic add', 'nic set', 'nic remove'"),
    ("nic add web", "needs --netdev"),
    ("nic add web --netdev tap0 --recieve-min 1Mbit", "did you mean '--receive-min'?"),
    ("nic set web", "needs something to change: --send-min"),
    ("nic set", "needs the name of one vNIC"),
    ("nic show", "the name of a vNIC"),
    ("net top --count 0", "--count: '0' is not a whole number above 0"),
    ("net top --interval 5", "--interval: '5' is not a duration"),
    ("net top now", "does not understand 'now'"),
    ("bench disk", "which socket?"),
])
def test_a_mistake_is_named_with_its_mend(words, complaint):
    result = run(*words.split())
    assert complaint in result.stderr
    assert result.returncode == 2


def test_every_command_has_help():
    for words in ("--help", "help", "disk --help", "disk add --help", "pool list -h", "bench disk --help"):
        result = run(*words.split())
        assert result.stdout.startswith("Usage: sluice") and not result.stderr, words
        assert result.returncode == 0


@pytest.mark.parametrize("words, is_said, is_not", [
    ("vm --help", "--hypervisor-core N", "disk list"),
    ("vm run --help", "--guest-cores 2,3", "vm list"),
    ("vm list --help", "vm list", "--guest-cores"),
    ("help disk add", "--pool NAME", "disk list"),
    ("help disk add", "--tier burst=64", "--netdev"),
    ("nic --help", "--serve", "vm run"),
    ("help", "vm run", "\0"),
    ("nonsense --help", "vm run", "\0"),
])
def test_help_is_about_what_it_is_asked_about(words, is_said, is_not):
    shown = run(*words.split()).stdout
    assert is_said in shown and is_not not in shown


def test_a_demonstration_that_is_not_installed_is_named():
    result = subprocess.run([SLUICE, "demo", "net"], capture_output=True, text=True, env={"SLUICE_DATA": "/nonexistent"})
    assert "cannot run /nonexistent/demo/net: No such file or directory" in result.stderr and result.returncode == 1


def test_a_missing_daemon_is_named():
    result = run("disk", "list")
    assert "nothing listens on /nonexistent.sock" in result.stderr and result.returncode == 1
