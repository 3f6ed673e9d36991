"""Work in parts: the same results in the same order, whoever does them, and whoever of them is killed."""

import os
import pickle
import signal
from pathlib import Path

import pytest

from storage.errors import JournalDamaged, PartFailed, StorageError
from storage.executors import Executor, Processes, ThisProcess

PARTS = tuple(range(12))


def squared(part: int) -> tuple[int, int]:
    return part * part, os.getpid()


def squared_or_killed_once(part: tuple[int, Path]) -> int:
    """The worker of one part is killed the first time it is done."""
    number, marker = part
    if number == 5 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def killed(part: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return part


def damaged(part: int) -> int:
    raise JournalDamaged(Path(f"segment-{part}"), offset=part, what="block", expected="1", received="2", remedy="see")


@pytest.mark.parametrize("executor", [ThisProcess(), Processes(2)], ids=["one", "processes"])
def test_results_come_in_the_order_of_the_parts(executor: Executor) -> None:
    """Each part is done once, by this process or by others."""
    with executor:
        results = list(executor.run(squared, PARTS))

    assert [value for value, _ in results] == [part * part for part in PARTS]
    assert ({process for _, process in results} == {os.getpid()}) == isinstance(executor, ThisProcess)


def test_a_killed_process_costs_nothing_but_time(tmp_path: Path) -> None:
    """What it had under way is done again, and no result comes twice."""
    parts = [(number, tmp_path / "killed") for number in PARTS]
    with Processes(2) as executor:
        results = list(executor.run(squared_or_killed_once, parts))

    assert results == [part * part for part in PARTS]
    assert (tmp_path / "killed").exists()


def test_a_part_that_kills_every_worker_is_named() -> None:
    """After so many it is the part, and not the workers."""
    with Processes(1) as executor, pytest.raises(PartFailed, match=r"^7: 3 processes in a row were killed"):
        list(executor.run(killed, [7]))


def test_an_error_of_another_process_is_the_same_error() -> None:
    """With its type, its text and its fields."""
    with Processes(1) as executor, pytest.raises(JournalDamaged, match="segment-3") as caught:
        list(executor.run(damaged, [3]))

    assert caught.value.exit_code == 3


def kinds(kind: type[StorageError]) -> list[type[StorageError]]:
    return [kind, *(below for sub in kind.__subclasses__() for below in kinds(sub))]


@pytest.mark.parametrize("kind", kinds(StorageError), ids=lambda it: it.__name__)
def test_every_error_of_storage_can_be_sent(kind: type[StorageError]) -> None:
    """It is made again from its text and fields, whatever its own arguments are called."""
    error = kind.__new__(kind, "what, where, expected, received")
    error.args = ("what, where, expected, received",)
    error.offset = 17  # type: ignore[attr-defined]

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(again), str(again), again.offset) == (kind, str(error), 17)
