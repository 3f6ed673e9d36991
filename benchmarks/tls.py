"""One sender and one recorder at a time over TLS, each in a process of its own, and whether all arrived."""

import json
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rounds import Talker

import fixtape
from queries.tape import Tape

HANDSHAKE_S: Final = 180.0  # For the subscriptions and their snapshots to come before what is measured begins.


@dataclass(frozen=True)
class Run:
    """One connection: what the sender says (`sender.Sent`), what the recorder says, and what its lake holds.

    rows: of `messages`. span_s: from the receive timestamp of the first message after the subscriptions' snapshots to
    the last one's; committed_s: to when the recorder had committed everything. reads: when each read arrived, when it
    was done with, how many messages it had; empty unless asked for.
    """

    sent: dict[str, Any]
    recorded: dict[str, Any]
    rows: int
    span_s: float
    committed_s: float
    reads: "array[int]"


class Line:
    """A sender that serves one recorder after another."""

    def __init__(self, sender: Talker, folder: Path) -> None:
        self._sender, self._folder = sender, folder
        said = sender.hear()
        self._port = said["port"]
        self.pass_messages: int = said["messages"]

    def run(
        self,
        seconds: float,
        *,
        rate: int = 0,
        most: int = 0,
        reads: bool = False,
        look: Callable[[Path], None] | None = None,
    ) -> Run:
        """Return one connection's run. Errors: AssertionError where anything sent is not in the lake, or is wrong.

        look: called with the tape's root before it is removed.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as path:
            root, reads_file = Path(path) / "tape", Path(path) / "reads"
            self._sender.say(json.dumps({"seconds": seconds, "rate": rate, "most": most}))
            arguments = [
                str(self._port),
                str(self._folder / "ca.pem"),
                str(root),
                *([str(reads_file)] if reads else []),
            ]
            with Talker("recording_process.py", *arguments) as recorder:
                sent = self._sender.hear(HANDSHAKE_S + 2 * seconds)
                recorder.say(str(sent["messages"]))
                recorded = recorder.hear()
            times = array("q")
            if reads:
                times.frombytes(reads_file.read_bytes())
            with fixtape.open(root) as tape:
                rows, first_ns, last_ns = _span(tape, sent["first_number"])
            if look is not None:
                look(root)
        counts = {key: recorded[key] for key in ("messages", "verified", "entries", "mismatches", "gaps")}
        expected = {key: sent[key] for key in ("messages", "verified", "entries")} | {"mismatches": 0, "gaps": 0}
        assert counts == expected, f"sent {expected}, recorded {counts}"
        assert rows == sent["messages"], f"{sent['messages']} messages sent, {rows} rows in the lake"
        committed_s = (recorded["committed_ns"] - first_ns) / 1e9
        return Run(sent, recorded, rows, (last_ns - first_ns) / 1e9, committed_s, times)


def _span(tape: Tape, first_number: int) -> tuple[int, int, int]:
    """Return how many messages of market data the lake has, and when the one of a number and the last came."""
    market_data = tape.sql("SELECT receive_ns, msg_seq_num FROM messages WHERE msg_type IN ('W', 'X')")
    ((rows, last_ns),) = market_data.aggregate("count(*), max(receive_ns)").fetchall()
    ((first_ns,),) = market_data.filter(f"msg_seq_num = {int(first_number)}").project("receive_ns").fetchall()
    return rows, first_ns, last_ns


@contextmanager
def line(*arguments: str, folder: Path | None = None) -> Iterator[Line]:
    """Give a line. arguments: of sender.py. folder: where tapes are written; fsync must mean something there."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as path,
        Talker("sender.py", "--ca-out", str(Path(path) / "ca.pem"), *arguments) as sender,
    ):
        yield Line(sender, Path(path))
