"""What Prometheus would scrape from a running daemon."""

import socket
import urllib.error
import urllib.request

import pytest
from daemon import Sluiced


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def scraped(tmp_path):
    daemon, port = Sluiced(tmp_path, {"gold": "size: 1MiB"}), free_port()
    with open(daemon.path("sluice.yaml"), "a") as file:
        file.write(f"control: {{metrics: 127.0.0.1:{port}}}\n")
    with daemon:
        daemon.url = f"http://127.0.0.1:{port}"
        yield daemon


def get(url, **options):
    with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_metrics_are_text_that_can_be_parsed(scraped):
    kind, text = get(scraped.url + "/metrics")
    assert kind.startswith("text/plain; version=0.0.4")
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(float(line.rsplit(" ", 1)[1]) >= 0 for line in samples)
    assert 'sluice_disk_size_bytes{disk="gold",pool="pool"} 1048576' in samples
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_there_is_nothing_else(scraped):
    for path, options, status in (("/", {}, 404), ("/metrics", {"method": "POST", "data": b"x"}, 405)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(scraped.url + path, **options)
        assert caught.value.code == status


def test_a_client_that_says_nothing_delays_nobody(scraped):
    host, port = scraped.url[7:].split(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(b"GET /met")
        assert scraped.ask("disk.list")[0]["name"] == "gold"
        assert "sluice_info" in get(scraped.url + "/metrics")[1]
