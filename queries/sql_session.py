"""SQL of the user on one connection: let through if it only reads, stopped when its time is over or its user says so.

Layer: queries, above the statements, below the tape.
Source: faults E2, E3 and E9.
Left to others: what the database can reach at all (`queries.engine`).
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from select import select
from socket import socket, socketpair
from threading import Event, Thread, current_thread, main_thread
from typing import Final

import duckdb

from queries.errors import Misused, StatementFailed, StatementTimedOut
from queries.statements import require_select

TIMEOUT_S_LIMIT: Final = 86_400.0
_AGAIN_S: Final = 0.1  # DuckDB forgets an interrupt that comes between two batches, so it is said again.


class SqlSession:
    """One connection. locked: one SELECT at a time and nothing else. timeout_s: of a statement with all its rows."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, *, locked: bool, timeout_s: float | None = None) -> None:
        if timeout_s is not None and not 0 < timeout_s <= TIMEOUT_S_LIMIT:
            raise Misused(f"timeout is {timeout_s:g} s; use more than 0 and at most {TIMEOUT_S_LIMIT:g}")
        self._cursor, self._locked, self._timeout_s = cursor, locked, timeout_s

    def ask(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return the relation of one SELECT; it runs as it is read, within `limited`. Errors: StatementFailed."""
        try:
            if self._locked:
                require_select(self._cursor, query)
            return self._cursor.sql(query)
        except duckdb.Error as error:
            raise StatementFailed(str(error)) from error

    def interrupt(self) -> None:
        """Stop what is running, from any thread."""
        self._cursor.interrupt()

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Run what is inside within the time that a statement has, and until Ctrl-C.

        Errors: StatementTimedOut, StatementFailed, KeyboardInterrupt.
        """
        told, wake = socketpair()
        wake.settimeout(0)
        late, broken, ended = Event(), Event(), Event()

        def break_off(_number: int, _frame: object) -> None:
            if not ended.is_set():
                raise KeyboardInterrupt

        is_main = current_thread() is main_thread()
        before = (signal.set_wakeup_fd(wake.fileno()), signal.signal(signal.SIGINT, break_off)) if is_main else None
        watch = Thread(target=self._watch, args=(told, late, broken), daemon=True)
        watch.start()
        try:
            with running():
                yield
        except (StatementFailed, KeyboardInterrupt) as error:
            if late.is_set():
                assert self._timeout_s is not None, "only what has a limit is late"
                raise StatementTimedOut(self._timeout_s) from error
            if broken.is_set():  # DuckDB's error may come before Python has acted on the signal.
                raise KeyboardInterrupt from error
            raise
        finally:
            ended.set()
            if before is not None:
                signal.signal(signal.SIGINT, before[1])  # Acts first on a signal not acted upon yet.
                signal.set_wakeup_fd(before[0])
            wake.close()
            watch.join()
            told.close()

    def _watch(self, told: socket, late: Event, broken: Event) -> None:
        """Interrupt what runs when its time is over or SIGINT came; end when the other side of the socket is closed.

        Python itself acts on a signal only once DuckDB returns, so it is told of one by its number.
        """
        wait_s, is_stopped = self._timeout_s, False
        while True:
            readable, _, _ = select([told], [], [], wait_s)
            number = told.recv(1) if readable else None
            if number == b"":
                return
            if number is None or number[0] == signal.SIGINT:
                if not is_stopped:
                    (late if number is None else broken).set()
                self._cursor.interrupt()
                wait_s, is_stopped = _AGAIN_S, True


@contextmanager
def running() -> Iterator[None]:
    """Turn what DuckDB finds wrong only as it runs into an error of ours. Errors: StatementFailed."""
    try:
        yield
    except duckdb.Error as error:
        raise StatementFailed(str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise StatementFailed(str(error)) from error  # From Arrow, in the midst of its rows.
    except RuntimeError as error:
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error  # As DuckDB 2.0 tells of Ctrl-C.
