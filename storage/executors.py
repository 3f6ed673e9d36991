"""Work in parts: by this process, by several on this machine, or by a cluster; what comes out is the same.

Layer: storage, beside everything; knows no table and no tape.
Source: design section 11, "beyond one machine"; the pool is the standard library's, the cluster Dask's.
Left to others: what a part is and what is done with it (`storage.rebuild`, `queries`).

A part is told by what can be sent: paths, names, times. Its work writes what it makes under names that follow from the
content, or returns it, so that a part which is done twice, because the worker that did it was killed before it could
say so, counts once. Results come in the order of the parts, whoever is done first.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from storage.errors import ClusterUnfit, PartFailed

PARTS_AHEAD: Final = 2  # Of each worker, so that none waits and results do not pile up.
KILLS_LIMIT: Final = 3  # Of workers that did the same part; then the part is what kills them.
CONNECT_S: Final = 5

Part = TypeVar("Part")
Result = TypeVar("Result")


class Executor(Protocol):
    """Does parts; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def run(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
        """Yield what the work makes of each part, in their order.

        work: a function at the top of a module, which other processes can import; parts and results can be pickled.
        Errors: those of the work; PartFailed where workers die of a part.
        """


class ThisProcess:
    """One part after the other, here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def run(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
        """See Executor."""
        return map(work, parts)


class Processes:
    """Several processes on this machine. count: as many as there are cores, if not said."""

    def __init__(self, count: int = 0) -> None:
        self.count = count or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def run(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
        """See Executor. A pool of which a process was killed is made anew, and what was under way is done again."""
        kills, done = 0, 0
        while done < len(parts):
            under_way: deque[Future[Result]] = deque()
            try:
                for part in parts[done:]:
                    if len(under_way) == self.count * PARTS_AHEAD:
                        yield self._first(under_way)
                        done, kills = done + 1, 0
                    under_way.append(self._started().submit(work, part))
                while under_way:
                    yield self._first(under_way)
                    done, kills = done + 1, 0
            except BrokenProcessPool:
                self._pool, kills = None, kills + 1
                if kills == KILLS_LIMIT:
                    raise PartFailed(
                        str(parts[done]), f"{kills} processes in a row were killed while it was done"
                    ) from None

    @staticmethod
    def _first(under_way: "deque[Future[Result]]") -> Result:
        return under_way.popleft().result()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: Arrow and Delta have threads, which a forked process would not.
            self._pool = ProcessPoolExecutor(self.count, mp_context=multiprocessing.get_context("spawn"))
        return self._pool


class Dask:
    """The workers of a Dask cluster; they see the same paths, or a tape at s3://, and run the same fixtape.

    address: of the scheduler, such as tcp://10.0.0.5:8786.
    Errors: ClusterUnfit on entry where nobody answers, nobody works, or somebody runs another version.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Any = None  # distributed.Client, which has no types.

    def __enter__(self) -> Self:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra, and slow to import
        except ModuleNotFoundError:
            raise ClusterUnfit(self._address, "dask is not installed here: pip install 'fixtape[dask]'") from None
        try:
            self._client = Client(self._address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ClusterUnfit(self._address, f"no scheduler answered within {CONNECT_S} s ({error})") from None
        try:
            self._check(self._client.run(_version))
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def run(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
        """See Executor. What a killed worker had under way is done by another."""
        from distributed import KilledWorker  # noqa: PLC0415 - an extra

        assert self._client is not None, "enter it first"
        ahead = max(len(self._client.scheduler_info()["workers"]), 1) * PARTS_AHEAD
        under_way: deque[tuple[Part, Any]] = deque()

        def first() -> Result:
            part, future = under_way.popleft()
            try:
                result: Result = future.result()
            except KilledWorker as killed:
                raise PartFailed(str(part), f"workers died while it was done: {killed}") from None
            return result

        for part in parts:
            if len(under_way) == ahead:
                yield first()
            under_way.append((part, self._client.submit(work, part, pure=False)))
        while under_way:
            yield first()

    def _check(self, running: dict[str, str]) -> None:
        if not running:
            raise ClusterUnfit(self._address, "it has no workers; start some: dask worker ADDRESS")
        ours = _version()
        for name, theirs in running.items():
            if theirs != ours:
                raise ClusterUnfit(self._address, f"worker {name} runs fixtape {theirs}, and here is {ours}")


def _version() -> str:
    return version("fixtape")
