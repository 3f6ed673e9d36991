"""The recorder of benchmarks, in a process of its own: the library's Recorder, and what its process cost.

    python recording_process.py PORT CA_FILE FOLDER [READS_FILE]

It records all symbols at full depth until a line on standard input says how many messages of market data there are,
and so many came. With a third file, the clock is read before and after the client handles each socket read, from
outside: when `Client.received` returns, every message of that read is in its book, with its rows made. Nothing in the
hot path knows of it.
"""

import json
import resource
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from capture.client import Client, run
from capture.config import MarketSection, SessionSection, Settings, StorageSection, VenueSection
from storage.recorder import Recorder

SECONDS_LIMIT: Final = 900.0


@contextmanager
def read_times() -> Iterator["array[int]"]:
    """Give an array that each socket read appends to: when it arrived, when it was done with, how many messages."""
    times = array("q")
    handle = Client.received

    def received(self: Client, data: bytes) -> None:
        counters = self.feed.counters
        begin_ns, before = time.monotonic_ns(), counters.market_data
        handle(self, data)
        times.extend((begin_ns, time.monotonic_ns(), counters.market_data - before))

    with patch.object(Client, "received", received):
        yield times


def record(port: int, ca_file: str, root: Path) -> dict[str, Any]:
    """Record until all is there that standard input announces; return what came and what it cost."""
    settings = Settings(
        venue=VenueSection(host="127.0.0.1", port=port, ca_file=ca_file),
        session=SessionSection(sender_comp_id="BENCH"),
        market=MarketSection(symbols=("all",)),
        storage=StorageSection(root=str(root)),
    )
    expected: list[int] = []
    threading.Thread(target=lambda: expected.append(int(sys.stdin.readline())), daemon=True).start()
    before = resource.getrusage(resource.RUSAGE_SELF)
    with Recorder(settings, "benchmark") as recorder:

        def watch() -> None:
            if expected and recorder.counters.market_data >= expected[0]:
                recorder.stop()

        async def main() -> None:
            await recorder.run(seconds=SECONDS_LIMIT, watch=watch)

        run(main())
        committed_ns = time.time_ns()
    used = resource.getrusage(resource.RUSAGE_SELF)
    counters = recorder.counters
    return {
        "messages": counters.market_data,
        "verified": counters.verified,
        "mismatches": counters.mismatches,
        "entries": counters.entries,
        "gaps": counters.gaps,
        "committed_ns": committed_ns,
        "cpu_seconds": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "resident_bytes_max": used.ru_maxrss * 1024,
    }


def main() -> None:
    """Record and print."""
    port, ca_file, root, *reads_file = sys.argv[1:]
    if reads_file:
        with read_times() as times:
            outcome = record(int(port), ca_file, Path(root))
        Path(reads_file[0]).write_bytes(times.tobytes())
    else:
        outcome = record(int(port), ca_file, Path(root))
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
