"""`fixtape journal cat`: the messages of a journal, as a FIX log or as JSON.

Layer: journal, command line. Parses, calls, prints.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from capture.cli_support import EXIT_FINDINGS, reporting_errors
from storage.journal.options import NumberRange, UtcTime, finding_text, root_argument

if TYPE_CHECKING:
    from storage.journal.reader import JournalDamage, OnDamage, Record

DAY_SLACK_NS: Final = 86_400_000_000_000  # A segment may reach past its day's end, and a message past its segment's.


@click.command("cat")
@root_argument
@click.option("--format", "form", type=click.Choice(("fix", "json")), default="fix", help="How lines come out.")
@click.option("--symbol", "symbols", multiple=True, help="Only messages that name this Symbol(55); may be given again.")
@click.option("--type", "msg_types", multiple=True, help="Only messages of this MsgType(35); may be given again.")
@click.option("--number", "numbers", type=NumberRange(), metavar="A[:B]", help="Only with this MsgSeqNum(34).")
@click.option("--direction", type=click.Choice(("received", "sent")), help="Only what was received, or sent.")
@click.option("--from", "from_ns", type=UtcTime(), help="From this UTC time on.")
@click.option("--to", "to_ns", type=UtcTime(), help="Up to this UTC time, which is left out.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many lines.")
@reporting_errors
def print_messages(
    root: Path,
    form: str,
    symbols: tuple[str, ...],
    msg_types: tuple[str, ...],
    numbers: tuple[int, int] | None,
    direction: str | None,
    from_ns: int | None,
    to_ns: int | None,
    limit: int | None,
) -> None:
    """Print the messages of a tape, a journal or a segment as a FIX log, or as JSON lines with the fields' names.

    SOH is shown as |, received messages are marked <, sent ones >, and what else was recorded !.
    In JSON a repeating group is a list, and every value the text that was sent.
    Credentials are masked in both, for so they are recorded.
    Damage is told on standard error and read past; the exit code is then 3.

    \b
    Example:
      fixtape journal cat ./tape --type W --type X --from 2026-11-22T10:15:00Z --limit 20
      fixtape journal cat ./tape --format json --symbol BTC/USD --number 100:200 --direction received
    """
    from itertools import islice

    from storage.journal.json_lines import json_line
    from storage.journal.lines import RECEIVED_MARK, SENT_MARK, log_lines
    from storage.journal.selection import Selection

    found = 0

    def tell(finding: "JournalDamage") -> None:
        nonlocal found
        found += 1
        click.echo(finding_text(finding), err=True)

    selection = Selection(
        begin_ns=from_ns,
        end_ns=to_ns,
        msg_types=frozenset(msg_types),
        symbols=frozenset(symbol.encode() for symbol in symbols),
        numbers=numbers,
        mark={"received": RECEIVED_MARK, "sent": SENT_MARK}.get(direction or ""),
    )
    shown = json_line if form == "json" else str
    lines = selection.of(log_lines(_records(root, from_ns, to_ns, tell)))
    for line in islice(lines, limit):
        sys.stdout.write(f"{shown(line)}\n")
    if found:
        sys.exit(EXIT_FINDINGS)


def _records(root: Path, from_ns: int | None, to_ns: int | None, tell: "OnDamage") -> Iterator["Record"]:
    """Return the records of the segments whose names are near the window."""
    from storage.journal.reader import read_segment
    from storage.journal.segments import paths_between

    slack = DAY_SLACK_NS
    begin_ns = None if from_ns is None else from_ns - slack
    end_ns = None if to_ns is None else to_ns + slack
    for path in [root] if root.is_file() else paths_between(root, begin_ns, end_ns):
        yield from read_segment(path, tell)
