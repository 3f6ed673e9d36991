"""Which lines of the journal's log are wanted.

Layer: journal, beside `lines`. Pure.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from storage.journal.lines import Line

_SYMBOL: Final = re.compile(rb"\x0155=([^\x01]*)\x01")
_MSG_SEQ_NUM: Final = re.compile(rb"\x0134=0*([0-9]{1,18})\x01")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for; whatever is left out is no condition.

    begin_ns, end_ns: half open. numbers: MsgSeqNum(34), first and last. symbols: Symbol(55), also within a group.
    mark: of one direction. Where anything but the time is asked for, notes are left out: they are no messages.
    """

    begin_ns: int | None = None
    end_ns: int | None = None
    msg_types: frozenset[str] = frozenset()
    symbols: frozenset[bytes] = frozenset()
    numbers: tuple[int, int] | None = None
    mark: str | None = None

    def of(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield the lines that are wanted."""
        return (line for line in lines if self._in_time(line) and self._is_wanted(line))

    def _in_time(self, line: Line) -> bool:
        after_begin = self.begin_ns is None or line.at_ns >= self.begin_ns
        return after_begin and (self.end_ns is None or line.at_ns < self.end_ns)

    def _is_wanted(self, line: Line) -> bool:
        if not (self.msg_types or self.symbols or self.numbers or self.mark):
            return True
        message = line.message
        if message is None or (self.mark and line.mark != self.mark):
            return False
        if self.msg_types and line.msg_type not in self.msg_types:
            return False
        if self.numbers is not None:
            number = _MSG_SEQ_NUM.search(message)
            if number is None or not self.numbers[0] <= int(number[1]) <= self.numbers[1]:
                return False
        return not self.symbols or not self.symbols.isdisjoint(_SYMBOL.findall(message))
