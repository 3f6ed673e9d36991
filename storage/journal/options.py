"""What the commands of the journal take alike.

Layer: journal, command line; below the commands.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storage.journal.times import parse_utc

if TYPE_CHECKING:
    from storage.journal.reader import JournalDamage

NUMBER_LIMIT: Final = 10**18  # No MsgSeqNum(34) is as high.


class UtcTime(click.ParamType[int]):
    """A UTC time on the command line, as nanoseconds since the epoch."""

    name = "utc time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the nanoseconds, or end with a usage error."""
        try:
            return parse_utc(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


root_argument = click.argument("root", type=click.Path(exists=True, path_type=Path))


class NumberRange(click.ParamType[tuple[int, int]]):
    """A MsgSeqNum(34) or a range of them, A:B, A: or :B, both ends included."""

    name = "number range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return first and last, or end with a usage error."""
        first, colon, last = str(value).partition(":")
        try:
            begin = int(first or 0)
            end = int(last or NUMBER_LIMIT) if colon else begin
        except ValueError:
            self.fail(f"{value!r} is no number or range such as 100:200", param, ctx)
        if not 0 <= begin <= end or (not first and not last):
            self.fail(f"{value!r} is empty; a range goes up, such as 100:200", param, ctx)
        return begin, end


def finding_text(finding: "JournalDamage") -> str:
    """Return a finding as one line: where, what, expected, received, what to do."""
    where = f" near {finding.at}" if finding.at != finding.offset else ""
    return (
        f"{finding.path}:{finding.offset}: {finding.what}{where}: expected {finding.expected}, "
        f"received {finding.received}; {finding.remedy}"
    )
