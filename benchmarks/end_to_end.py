"""Question 5: the whole way, TLS socket to committed Parquet: journal with fsync, books, every 5041, nothing lost.

The venue is a process of its own on the same cores that sends what was made before, as fast as it is read and held at a
rate. Where it is faster than the lake's writer, batches are made from the journal, so a message costs more than at a
rate that the whole recorder keeps up with. Run it alone as `python benchmarks/end_to_end.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rounds import spread, table
from tls import Run, line

# About 250,000 messages before the snapshots come again, so that these are few.
SENDER: Final = ("--symbols", "100", "--market-seconds", "240")


HELD: Final = 210_000  # Messages a second.


def measure(
    rounds: int,
    seconds: float,
    *,
    sender: tuple[str, ...] = SENDER,
    held: int = HELD,
    folder: Path | None = None,
) -> None:
    """Print a table of the rounds, which last so many seconds each. folder: where the tapes are written."""
    at_will: list[Run] = []
    at_rate: list[Run] = []
    with line(*sender, folder=folder) as way:
        for _ in range(rounds):
            at_will.append(way.run(seconds))
            at_rate.append(way.run(seconds, most=held))
    print(f"End to end, {seconds:g} s a round, fsync on, {way.pass_messages:,} messages before they come again:\n")
    columns = [_figures(runs) for runs in (at_will, at_rate)]
    table(
        ("what", "as fast as it is read", f"held at {held:,} a second"),
        [(name, columns[0][name], columns[1][name]) for name in columns[0]],
    )


def _figures(runs: Sequence[Run]) -> dict[str, str]:
    messages = [it.sent["scheduled"] for it in runs]
    return {
        "messages/s, first to last received": spread(
            [count / it.span_s for count, it in zip(messages, runs, strict=True)]
        ),
        "messages/s, first received to all committed": spread(
            [count / it.committed_s for count, it in zip(messages, runs, strict=True)]
        ),
        "recorder's CPU, us a message, user and system, all threads": spread(
            [it.recorded["cpu_seconds"] / it.rows * 1e6 for it in runs], ".2f"
        ),
        "recorder's peak memory, MiB": spread([it.recorded["resident_bytes_max"] / 2**20 for it in runs]),
        "sender's CPU, us a message": spread(
            [it.sent["cpu_seconds"] / count * 1e6 for count, it in zip(messages, runs, strict=True)], ".2f"
        ),
        "messages sent, and rows of `messages` in the lake": spread([it.sent["messages"] for it in runs]),
        "checksums verified, all that were due": spread([it.recorded["verified"] for it in runs]),
        "bytes a message": spread([it.sent["bytes"] / count for count, it in zip(messages, runs, strict=True)], ".0f"),
        "entries a message": spread([it.sent["entries"] / it.sent["messages"] for it in runs], ".2f"),
    }


if __name__ == "__main__":
    measure(5, 10.0)
