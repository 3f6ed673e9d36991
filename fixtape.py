"""The front door: `import fixtape` for people in a notebook, and the root of the `fixtape` command.

    import fixtape
    tape = fixtape.open("tape")
    tape.trades("BTC/USD").to_arrow_table()

Layer: above all. It alone knows capture, storage and queries, and it imports each of them on use.
"""

import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from queries.tape import Tape
    from queries.times import Time

__all__ = ["main", "open"]

# By what it is for: command: module, attribute, and what `--help` says without importing it.
SECTIONS: Final = {
    "Record": {
        "demo": ("queries.demo", "demo", "Record the simulated venue for some seconds and show what is in it."),
        "venue": ("capture.cli", "venue", "Serve recordings as a simulated Kraken, over TLS 1.3."),
        "record": ("storage.cli", "record", "Record a venue's market data until stopped."),
        "trade": ("capture.trade_cli", "trade", "Place, cancel and list orders."),
        "session": ("capture.session_cli", "session", "Open a bare FIX session: no market data, no journal."),
    },
    "Keep": {
        "recover": ("storage.recovery_cli", "recover", "Put in order what a recorder left that did not end in order."),
        "verify": (
            "storage.verify_cli",
            "verify",
            "Check a tape: every file, every log entry, every number and every book at its key frames.",
        ),
        "rebuild": (
            "storage.rebuild_cli",
            "rebuild",
            "Make a lake anew from a journal, or make whole the one that is there.",
        ),
        "compact": ("storage.lake_cli", "compact", "Make the many small files of a lake few, with the same rows."),
        "vacuum": (
            "storage.lake_cli",
            "vacuum",
            "Remove files from the disk that a lake has not listed for some days.",
        ),
        "retain": ("storage.lake_cli", "retain", "Take whole old dates out of a lake's tables."),
        "push": (
            "storage.push_cli",
            "push",
            "Copy sealed days of a tape to s3://BUCKET/PREFIX or another directory, and verify what was copied.",
        ),
        "merge": ("storage.union.cli", "merge", "Unite what two recorders have of one feed, by content."),
    },
    "Ask": {
        "changes": ("queries.cli", "changes_command", "Print the book changes of a symbol, by arrival."),
        "trades": ("queries.cli", "trades_command", "Print the trades of a symbol, by arrival."),
        "quotes": ("queries.cli", "quotes_command", "Print the changes of the top of a symbol's book, by arrival."),
        "book": (
            "queries.cli",
            "book_command",
            "Print the book of a symbol as it stood at a moment, and what it rests on.",
        ),
        "replay": (
            "queries.replay_cli",
            "replay_command",
            "Print the books of a symbol at an interval, or after each message.",
        ),
        "bars": ("queries.bars_cli", "bars_command", "Print bars of the trades of a symbol, or of its quotes."),
        "measures": (
            "queries.measures_cli",
            "measures_command",
            "Print measures of a market by interval: spreads, depth, flow, costs, impact, latency.",
        ),
        "instruments": (
            "queries.holdings_cli",
            "instruments_command",
            "Print the instruments as they were valid at a moment.",
        ),
        "coverage": (
            "queries.holdings_cli",
            "coverage_command",
            "Print each symbol that a tape knows: from when to when, and how many of its messages are proven.",
        ),
        "tables": (
            "queries.holdings_cli",
            "tables_command",
            "Print what each table holds: rows, bytes, files, dates, and from when to when.",
        ),
        "sql": (
            "queries.sql_cli",
            "sql_command",
            "Print the answer to one SELECT over the tape; without one, open a shell.",
        ),
        "export": ("queries.export.cli", "export_command", "Write symbols day by day in the format of another tool."),
    },
    "Trust": {
        "quality": (
            "queries.quality_cli",
            "quality_command",
            "Check a day of a tape, and say what each symbol's day is good for.",
        ),
        "silence": (
            "queries.cli",
            "silence_command",
            "Print which seconds were active, proven quiet, or unknown, in runs, for each session.",
        ),
        "why": (
            "queries.why_cli",
            "why_command",
            "Print what happened to a symbol in a window, in order, with places in the journal.",
        ),
        "incident": (
            "storage.incidents.cli",
            "incident",
            "Look into incidents: books that disagreed with the venue's checksum.",
        ),
        "journal": ("storage.journal.cli", "journal", "Look into the journal: the raw bytes of every connection."),
        "doctor": ("capture.doctor", "doctor", "Say what is installed, and whether it works."),
    },
}
COMMANDS: Final = {name: command for section in SECTIONS.values() for name, command in section.items()}


def open(path: "str | Path", *, as_of: "Time | None" = None) -> "Tape":
    """Return a tape to ask: the root that `fixtape record` wrote, a lake, or either at `s3://bucket/prefix`.

    as_of: what was known then, at a time (text or a datetime), or at a version of the lake (a number).
    Errors: NotALake where there is none; LakeNewer where a newer fixtape wrote it; AsOfUnknown; StoreError of an object
        store.
    """
    from queries.tape import Tape

    return Tape(path, as_of=as_of)


def version() -> str:
    """Return the version that is installed."""
    from importlib import metadata

    return metadata.version("fixtape")


def _group() -> "click.Group":
    """Return the root command; made on use so that `import fixtape` stays light."""
    import click

    class LazyGroup(click.Group):
        """Knows its commands' names and one-line helps, and imports a command when it is called."""

        def list_commands(self, ctx: click.Context) -> list[str]:
            return list(COMMANDS)

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            width = max(map(len, COMMANDS))
            for section, commands in SECTIONS.items():
                with formatter.section(section):
                    formatter.write_dl([(name.ljust(width), text) for name, (_, _, text) in commands.items()])

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            if cmd_name not in COMMANDS:
                return None
            module, attribute, _ = COMMANDS[cmd_name]
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            return command

    @click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(package_name="fixtape", message="%(prog)s %(version)s")
    @click.pass_context
    def fixtape(ctx: click.Context) -> None:
        """Record Kraken's FIX market data so that it can be trusted years later.

        \b
        Start here:
          fixtape demo                      the whole way, against a simulated venue
          fixtape COMMAND --help            each command has a worked example
        """
        # click does not know these two; https://no-color.org and its counterpart.
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        elif os.environ.get("FORCE_COLOR"):
            ctx.color = True

    return fixtape


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # What a terminal's encoding lacks is escaped, no error.
    _group()(prog_name="fixtape")


if __name__ == "__main__":
    main()
