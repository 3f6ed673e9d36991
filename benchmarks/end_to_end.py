"""The whole way: a venue in a process of its own that sends as fast as it is read, and a recorder in this one."""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture.client import run
from capture.config import MarketSection, SessionSection, Settings, StorageSection, VenueSection
from capture.venue import recording
from storage.recorder import Recorder

FIXTAPE: Final = Path(sys.executable).with_name("fixtape")
SECONDS_LIMIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to; the clock runs from the first byte of market data to the last."""

    messages: int
    verified: int
    seconds: float
    cpu_seconds: float

    @property
    def messages_per_s(self) -> float:
        """Messages a second, from Logon to the last one's row."""
        return self.messages / self.seconds

    @property
    def cpu_us_per_message(self) -> float:
        """User and system time of the recorder's process a message, in microseconds."""
        return self.cpu_seconds / self.messages * 1e6


def once() -> Outcome:
    """Return one run over all shipped recordings."""
    expected = sum(len(stream.messages) for stream in recording.shipped().streams.values())
    with tempfile.TemporaryDirectory() as folder:
        ca_file = Path(folder) / "ca.pem"
        options = ["--speed", "max", "--port", "0", "--ca-out", str(ca_file), "--for", str(SECONDS_LIMIT)]
        command = [str(FIXTAPE), "venue", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as venue:
            try:
                assert venue.stdout is not None
                port = int(venue.stdout.readline().partition("listening on 127.0.0.1:")[2].partition(";")[0])
                return _record(Path(folder) / "tape", ca_file, port, expected)
            finally:
                venue.terminate()


def _record(root: Path, ca_file: Path, port: int, expected: int) -> Outcome:
    settings = Settings(
        venue=VenueSection(host="127.0.0.1", port=port, ca_file=str(ca_file)),
        session=SessionSection(sender_comp_id="BENCH"),
        market=MarketSection(symbols=("all",)),
        storage=StorageSection(root=str(root)),
    )
    with Recorder(settings, "benchmark") as recorder:
        ended: list[float] = []

        def watch() -> None:
            if recorder.counters.market_data >= expected:
                recorder.stop()

        async def main() -> None:
            await recorder.run(seconds=SECONDS_LIMIT, watch=watch)
            ended.append(time.time_ns() / 1e9)

        before = resource.getrusage(resource.RUSAGE_SELF)
        run(main())
        after = resource.getrusage(resource.RUSAGE_SELF)
    counters = recorder.counters
    assert counters.market_data == expected, "messages were lost"
    assert counters.mismatches == 0, "a checksum failed"
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    first_ns, last_ns = _market_data_span(root)
    return Outcome(expected, counters.verified, (last_ns - first_ns) / 1e9, cpu)


def _market_data_span(root: Path) -> tuple[int, int]:
    """Return the receive times of the Logon and of the last message of market data."""
    import fixtape  # noqa: PLC0415 - DuckDB's own start-up is no part of what is measured

    with fixtape.open(root) as tape:
        ((first_ns, last_ns),) = tape.sql(
            "SELECT (SELECT min(receive_ns) FROM events WHERE kind = 'logon'), max(receive_ns) FROM messages"
        ).fetchall()
    return first_ns, last_ns
