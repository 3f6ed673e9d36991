"""What a person sees of a running recorder: a live line on a terminal, log lines elsewhere.

Layer: storage, beside the command line. Reads counters; changes nothing.
"""

import shutil
import sys
import time
from typing import Final, Protocol

import click

from capture.feed import Feed
from storage.backlog import Backlog
from storage.counts import Counts
from storage.recorder import Recorder
from storage.writer_thread import WriterThread

LOG_S: Final = 10.0


class Watched(Protocol):
    """What a status needs of a recorder."""

    feed: Feed
    writer: WriterThread
    backlog: Backlog

    @property
    def degraded(self) -> str:
        """Why not everything is written."""

    @property
    def counts(self) -> Counts:
        """What was received, written, durable and committed."""


def bytes_text(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


class Status:
    """Composes the line, with rates between two looks."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder: Watched = recorder
        self._at = time.monotonic()
        self._messages = 0
        self._rate = 0.0

    def line(self) -> str:
        """Return the present state in one line."""
        feed = self._recorder.feed
        counters, counts = feed.counters, self._recorder.counts
        now = time.monotonic()
        if now - self._at >= 0.4:
            self._rate = (counters.messages - self._messages) / (now - self._at)
            self._at, self._messages = now, counters.messages
        parts = [
            feed.session.state.value,
            f"{self._rate:,.0f} messages/s",
            f"{counters.messages:,} messages",
            f"{feed.books_proven}/{len(feed.by_symbol)} books proven",
            f"{counters.mismatches} mismatches",
            f"lag {counters.last_sending_lag_ms} ms",
            f"journal {bytes_text(counts.written_bytes)}, {bytes_text(counts.lag_bytes)} not durable",
            f"lake {self._recorder.writer.committed_rows:,} rows",
        ]
        if counts.lag_messages:
            parts.append(f"{counts.lag_messages:,} messages not committed")
        if self._recorder.degraded:
            parts.insert(0, f"DEGRADED, {self._recorder.degraded}")
        if counts.rewrites:
            parts.append(f"{counts.rewrites} files of the journal failed")
        if counters.gaps:
            parts.append(f"{counters.gaps} gaps")
        if self._recorder.backlog.behind:
            parts.append(f"lake {self._recorder.backlog.behind} batches behind, made from the journal")
        return "  ".join(parts)


class StatusPrinter:
    """Shows the line: rewritten in place on a terminal, as a log line now and then elsewhere."""

    def __init__(self, recorder: Recorder) -> None:
        self._status = Status(recorder)
        self._terminal = sys.stderr.isatty()
        self._next_log = time.monotonic() + LOG_S

    def __call__(self) -> None:
        """Show it, if it is time."""
        if self._terminal:
            columns, line = _columns(), self._status.line()
            click.echo(f"\r{line[: columns - 1].ljust(columns - 1)}", nl=False, err=True)
        elif time.monotonic() >= self._next_log:
            self._next_log += LOG_S
            self.say(self._status.line())

    def say(self, text: str) -> None:
        """Print a line of its own."""
        if self._terminal:
            click.echo(f"\r{' ' * (_columns() - 1)}\r{text}", err=True)
        else:
            log_line(text)


def _columns() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def log_line(text: str) -> None:
    """Print a line with its time, as logs have it."""
    click.echo(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", err=True)
