"""The whole way in half a minute: a venue with real recordings, a recorder, and questions to what it recorded.

Layer: above storage and queries; joins them with the simulated venue. `make demo` runs it.
Source: design section 8.
"""

import asyncio
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from capture.cli_support import reporting_errors

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from capture.venue.recording import Recordings
    from queries.books import BookAt
    from queries.tape import Tape
    from storage.recorder import Summary

RECORD_S: Final = 15.0
BOOK_LEVELS: Final = 5
VENUE_CA: Final = "venue-ca.pem"
MARK: Final = ".fixtape-demo"  # Only a directory that bears it is ever emptied.
EVENTS_QUERY: Final = "SELECT kind, count(*) AS times FROM events GROUP BY kind ORDER BY times DESC"
QUERY: Final = """\
SELECT symbol,
       count(*)                                               AS changes,
       count(*) FILTER (WHERE action = 'evict')               AS evicted,
       round(100.0 * avg(proven::INTEGER), 1)                 AS proven_pct,
       max(price) FILTER (WHERE side = 'bid' AND size > 0)    AS highest_bid,
       min(price) FILTER (WHERE side = 'offer' AND size > 0)  AS lowest_offer
FROM book_changes
WHERE action <> 'snapshot'
GROUP BY symbol
ORDER BY changes DESC"""


@dataclass(frozen=True, slots=True)
class _Run:
    summary: "Summary"
    sent: int
    speed: float


@click.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default="demo-tape", show_default=True,
              help="Directory of the tape; a former demo there is replaced.")  # fmt: skip
@click.option("--for", "seconds", type=click.FloatRange(1, 600), default=RECORD_S, show_default=True,
              help="Seconds to record.")  # fmt: skip
@reporting_errors
def demo(root: Path, seconds: float) -> None:
    """Record the simulated venue for some seconds and show what is in it.

    The venue serves recordings of Kraken with the exchange's own checksums, over TLS on this machine; nothing leaves
    it and no account is needed.

    \b
    Example:
      fixtape demo --for 15
    """
    from rich.console import Console

    from capture.client import run
    from capture.venue import recording

    console = Console(highlight=False)
    _prepare(root)
    market = recording.shipped()
    results: list[_Run] = []
    run(_record(market, root, seconds, console, results))
    _show(results[0], market, root, console)


def _prepare(root: Path) -> None:
    """Empty the directory of a former demo; refuse any other that holds something."""
    if root.exists() and any(root.iterdir()):
        if not (root / MARK).exists():
            raise click.UsageError(f"{root} holds something that is no demo; name another directory with --root")
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / MARK).touch()


async def _record(market: "Recordings", root: Path, seconds: float, console: "Console", results: list[_Run]) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from capture.config import MarketSection, SessionSection, Settings, StorageSection, VenueSection
    from capture.venue import certificates
    from capture.venue.acceptor import VenueSettings
    from capture.venue.server import VenueServer
    from storage.cli import software
    from storage.recorder import Recorder

    credentials = certificates.make("localhost", "127.0.0.1")
    ca_file = credentials.write_ca(root / VENUE_CA)
    speed = max(market.duration_ns() / 1e9 / (seconds * 0.9), 1.0)
    async with VenueServer(market, VenueSettings(speed=speed), credentials.context) as venue:
        settings = Settings(
            venue=VenueSection(host="127.0.0.1", port=venue.port, ca_file=str(ca_file)),
            session=SessionSection(sender_comp_id="DEMO"),
            market=MarketSection(symbols=("all",)),
            storage=StorageSection(root=str(root)),
        )
        console.print(
            f"A simulated Kraken listens on 127.0.0.1:{venue.port} (TLS 1.3) and plays real recordings of"
            f" {len(market.streams)} markets, {speed:.1f} times as fast as they happened."
        )
        with Recorder(settings, software()) as recorder:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, recorder.stop)
            columns = (TextColumn("recording"), BarColumn(30), TimeRemainingColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=console, transient=True) as bar:
                task = bar.add_task("", total=seconds)
                begin = time.monotonic()

                def watch() -> None:
                    counters = recorder.counters
                    line = f"{counters.messages:,} messages, {recorder.feed.books_proven} books proven"
                    bar.update(task, completed=time.monotonic() - begin, description=line)

                summary = await recorder.run(seconds=seconds, watch=watch)
        results.append(_Run(summary, venue.total_sent, speed))


def _show(run: _Run, market: "Recordings", root: Path, console: "Console") -> None:
    from queries.tape import Tape
    from storage.journal.segments import segment_paths

    counters = run.summary.counters
    due = counters.verified + counters.mismatches
    console.print(
        f"[bold]{counters.market_data:,} of {run.sent:,} messages[/] of market data recorded, with"
        f" {counters.entries:,} entries."
    )
    colour = "green" if counters.verified == due else "red"
    console.print(
        f"[bold {colour}]{counters.verified:,} of {due:,} checksums verified[/]: after each of these messages the ten"
        " best levels of both sides were those that Kraken had."
    )
    with Tape(root) as tape:
        _show_books(tape, console)
        _show_trades(tape, console)
        _show_query(tape, console)
        date = _show_quality(tape, console)
    journal = next(iter(segment_paths(root)), root)
    console.print(f"\njournal  {root / 'journal'}   every byte, as pcapng: opens in Wireshark")
    console.print(f"lake     {root / 'lake'}      Parquet, one Delta table a name")
    console.print("\n[bold]Try next[/]")
    symbol = _liveliest(market)
    for line in (
        f"fixtape replay {root} --symbol {symbol} --every 100ms --watch",
        f"fixtape book {root} --symbol {symbol}",
        f"fixtape quality {root} --date {date} --format html --output quality.html",
        f'fixtape sql {root} "{EVENTS_QUERY}"',
        f"fixtape journal cat {journal} --limit 20",
    ):
        console.print(f"  {line}", soft_wrap=True)


def _show_quality(tape: "Tape", console: "Console") -> str:
    """Say what the day is good for; return its date."""
    from queries.quality.condition import Condition

    ((date,),) = tape.sql("SELECT CAST(CAST(max(receive_time) AS DATE) AS VARCHAR) FROM messages").fetchall()
    report = tape.quality(date)
    complete = sum(it.condition is Condition.COMPLETE for it in report.conditions)
    console.print(
        f"\n[bold]The day's quality[/]  {report.score:.2%} of what was meant to be recorded is known,"
        f" {complete} of {len(report.conditions)} markets complete, {len(report.checks)} checks"
    )
    return str(date)


def _liveliest(market: "Recordings") -> str:
    return max(market.streams.values(), key=lambda stream: len(stream.messages)).symbol


def _show_books(tape: "Tape", console: "Console") -> None:
    from rich.columns import Columns

    tables = [_book_table(tape.book(symbol, depth=BOOK_LEVELS)) for symbol in tape.symbols()]
    console.print(Columns(tables, padding=(1, 2)))


def _book_table(book: "BookAt") -> "Table":
    from rich.table import Table

    agrees = book.certificate.checksum_agrees
    mark = "[green]proven[/]" if agrees else "[red]differs[/]" if agrees is False else "unverified"
    table = Table(title=f"[bold]{book.symbol}[/] {mark}", title_justify="left", box=None, padding=(0, 1))
    for name, style in (("size", "dim"), ("bid", "green"), ("offer", "red"), ("size", "dim")):
        table.add_column(name, justify="right", style=style, no_wrap=True)
    for place in range(BOOK_LEVELS):
        bid = book.bids[place] if place < len(book.bids) else None
        offer = book.offers[place] if place < len(book.offers) else None
        cells = (bid and bid.size, bid and bid.price, offer and offer.price, offer and offer.size)
        table.add_row(*("" if value is None else f"{value:f}" for value in cells))
    return table


def _show_trades(tape: "Tape", console: "Console") -> None:
    from rich.table import Table

    relation = tape.sql(
        "SELECT receive_time, symbol, aggressor_side, price, size FROM trades"
        " ORDER BY receive_ns, session_id, msg_seq_num, entry_index LIMIT 10"
    )
    table = Table(title="[bold]Trades[/]", title_justify="left", box=None, padding=(0, 1))
    for name in ("received (UTC)", "symbol", "taker", "price", "size"):
        table.add_column(name, justify="right" if name in {"price", "size"} else "left")
    for at, symbol, side, price, size in relation.fetchall():
        table.add_row(str(at), symbol, side or "", f"{price:.8g}", f"{size:.8f}")
    console.print(table)


def _show_query(tape: "Tape", console: "Console") -> None:
    from rich.syntax import Syntax
    from rich.table import Table

    begin = time.perf_counter()
    relation = tape.sql(QUERY)
    rows = relation.fetchall()
    took_ms = (time.perf_counter() - begin) * 1000
    console.print("\n[bold]A question in SQL[/]")
    console.print(Syntax(QUERY, "sql", background_color="default"))
    table = Table(box=None, padding=(0, 1))
    for name in relation.columns:
        table.add_column(name, justify="left" if name == "symbol" else "right")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
    console.print(f"answered by DuckDB in {took_ms:.0f} ms")
