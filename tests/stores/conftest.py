"""One S3 server for all tests of this directory; each test has a bucket of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_server import BucketServer, bucket_name


@pytest.fixture(scope="session")
def server() -> Iterator[BucketServer]:
    running = BucketServer()
    yield running
    running.stop()


@pytest.fixture
def bucket(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """The name of an empty bucket; the environment of this process leads there."""
    name = bucket_name(request.node.nodeid)
    server.make_bucket(name)
    server.requests.clear()
    server.faults.clear()
    server.come_back()
    server.only = ""
    for setting, value in server.environment().items():
        monkeypatch.setenv(setting, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    return name
