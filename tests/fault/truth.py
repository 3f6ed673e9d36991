"""What the venue sent, as it wrote it down itself; read by other code than fixtape's.

A connection of the journal is found here by the client's port and by its bytes: the journal may hold less of what the
venue sent, for the process was killed, but never another byte.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_MESSAGE = re.compile(rb"8=FIX\.4\.4\x019=\d+\x0135=([^\x01]+)\x01.*?\x0110=\d{3}\x01", re.DOTALL)
_NUMBER = re.compile(rb"\x0134=(\d+)\x01")
_MARKET = (b"W", b"X")


@dataclass(frozen=True)
class Expected:
    """What tables must hold of a run of bytes. messages: MsgSeqNum(34) of each whole W and X, in order."""

    messages: tuple[int, ...]
    trades: int


def expected(data):
    """What the whole messages in these bytes amount to."""
    numbers, trades = [], 0
    for match in _MESSAGE.finditer(data):
        if match[1] in _MARKET:
            numbers.append(int(_NUMBER.search(match[0])[1]))
            trades += match[0].count(b"\x01269=2\x01")
    return Expected(tuple(numbers), trades)


class Truth:
    """The files of a venue process, by client port."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def sent_to(self, port, received):
        """The bytes that the venue sent on the connection whose journal holds `received`; None where there is none."""
        for path in sorted(self.folder.glob(f"*-{port}.fix"), reverse=True):
            with path.open("rb") as file:
                if file.read(len(received)) == received:
                    return path
        return None

    def clear(self, before):
        """Remove what was sent on connections that were checked: all but those that came later."""
        for path in before:
            path.unlink(missing_ok=True)

    def paths(self):
        return sorted(self.folder.glob("*.fix"))
