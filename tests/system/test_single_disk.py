"""One disk without a configuration, as management programs start vhost-user back ends."""

import socket
import subprocess

from daemon import SLUICED


def image(directory):
    path = directory / "disk.img"
    path.write_bytes(bytes(1 << 20))
    return str(path)


def test_a_daemon_on_an_inherited_socket_stops_when_its_front_end_hangs_up(tmp_path):
    ours, theirs = socket.socketpair()
    daemon = subprocess.Popen([SLUICED, "--blk-file", image(tmp_path), "--fd", str(theirs.fileno())],
                              pass_fds=[theirs.fileno()])
    theirs.close()
    # GET_FEATURES: there is an answer, so it serves.
    ours.sendall(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
    assert len(ours.recv(20, socket.MSG_WAITALL)) == 20
    assert daemon.poll() is None
    ours.close()
    assert daemon.wait(timeout=20) == 0


def test_capabilities_are_printed_whatever_else_is_asked(tmp_path):
    command = [SLUICED, "--print-capabilities", "--blk-file", image(tmp_path)]
    assert '"type": "block"' in subprocess.check_output(command, text=True)


def test_a_descriptor_that_is_no_socket_is_refused(tmp_path):
    result = subprocess.run([SLUICED, "--blk-file", image(tmp_path), "--fd", "77"], capture_output=True, text=True,
                            timeout=20)
    assert "descriptor 77 is no socket" in result.stderr and result.returncode == 1


def test_a_directory_that_is_missing_is_named(tmp_path):
    result = subprocess.run([SLUICED, "--blk-file", image(tmp_path), "--socket-path", str(tmp_path / "no" / "s")],
                            capture_output=True, text=True, timeout=20)
    assert "no/s: No such file or directory; make its directory" in result.stderr and result.returncode == 1
