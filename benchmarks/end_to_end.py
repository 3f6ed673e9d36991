"""Question 5: the whole way, TLS socket to committed Parquet: journal with fsync, books, every 5041, nothing lost.

The venue is a process of its own on the same cores that sends what was made before as fast as it is read. Run it alone
as `python benchmarks/end_to_end.py`.
"""

from pathlib import Path
from typing import Final

from rounds import spread, table
from tls import line

# About 250,000 messages before the snapshots come again, so that these are few.
SENDER: Final = ("--symbols", "100", "--market-seconds", "240")


def measure(rounds: int, seconds: float, *, sender: tuple[str, ...] = SENDER, folder: Path | None = None) -> None:
    """Print a table of the rounds, which last so many seconds each. folder: where the tapes are written."""
    with line(*sender, folder=folder) as way:
        runs = [way.run(seconds) for _ in range(rounds)]
    messages, size = [it.sent["messages"] for it in runs], [it.sent["bytes"] / it.sent["scheduled"] for it in runs]
    entries = [it.sent["entries"] / it.sent["messages"] for it in runs]
    print(f"End to end, {seconds:g} s a round, fsync on, {way.pass_messages:,} messages before they come again:\n")
    table(
        ("what", "figure"),
        [
            ("messages/s, first to last received", spread([it.sent["scheduled"] / it.span_s for it in runs])),
            (
                "messages/s, first received to all committed",
                spread([it.sent["scheduled"] / it.committed_s for it in runs]),
            ),
            (
                "recorder's CPU, us a message, user and system, all threads",
                spread([it.recorded["cpu_seconds"] / it.rows * 1e6 for it in runs], ".2f"),
            ),
            ("recorder's peak memory, MiB", spread([it.recorded["resident_bytes_max"] / 2**20 for it in runs])),
            (
                "sender's CPU, us a message",
                spread([it.sent["cpu_seconds"] / it.sent["scheduled"] * 1e6 for it in runs], ".2f"),
            ),
            ("messages sent, and rows of `messages` in the lake", spread(messages)),
            ("checksums verified, all that were due", spread([it.recorded["verified"] for it in runs])),
            ("bytes and entries a message", f"{spread(size, '.0f')}; {spread(entries, '.2f')}"),
        ],
    )


if __name__ == "__main__":
    measure(5, 10.0)
