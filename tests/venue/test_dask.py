"""A rebuild by a Dask cluster, of which one worker is killed in mid-job."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashed import files_of
from distributed import LocalCluster
from venues import record_until, recordings, settings_for, venue_thread

from storage import executors
from storage.errors import ClusterUnfit
from storage.executors import Dask
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

RUNS = 6


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of some runs."""
    root = tmp_path_factory.mktemp("runs") / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=float("inf")) as (server, credentials):
        ca_file = credentials.write_ca(root.parent / "ca.pem")
        for _ in range(RUNS):
            record_until(settings_for(server, ca_file, root), lambda it: it.counters.market_data >= 1129)
    return root


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, each a process with one thread."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as it:
        it.wait_for_workers(2, timeout=60)
        yield it


def test_a_killed_worker_costs_nothing_but_time(tape: Path, cluster: LocalCluster, tmp_path: Path) -> None:
    """One of two is killed at the first result: the lake is that of one process, and nothing is in it twice."""
    rebuild(tape / "journal", tmp_path / "alone", software="fixtape test")
    killed: list[int] = []

    def progress(_count: int) -> None:
        if not killed:
            killed.append(next(iter(cluster.workers.values())).process.pid)
            os.kill(killed[0], signal.SIGKILL)

    with Dask(cluster.scheduler_address) as executor:
        report = rebuild(
            tape / "journal", tmp_path / "dask", software="fixtape test", progress=progress, executor=executor
        )

    assert killed
    assert report.runs == RUNS
    assert files_of(tmp_path / "dask") == files_of(tmp_path / "alone")


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address, and how long it was waited for."""
    monkeypatch.setattr(executors, "CONNECT_S", 1)

    with pytest.raises(ClusterUnfit, match=r"tcp://127.0.0.1:9: no scheduler answered"), Dask("tcp://127.0.0.1:9"):
        pass
