"""A recorded tape, open for questions.

Layer: queries, over the engine. Answers are DuckDB relations: `.to_arrow_table()`, `.df()`, `.pl()`, `.fetchall()`.
Source: design section 7: times are UTC, windows half open, rows by arrival.
Left to others: rebuilding a book (`queries.books`), printing (`queries.render`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

import duckdb
import pyarrow as pa

from queries.bars import EVERY_DEFAULT, Exact, closed, counted_bars, quote_bars, threshold, time_bars
from queries.books import BookAt, book_at
from queries.engine import Engine, Limits
from queries.errors import EmptyWindow, Misused, NoSnapshot, UnknownSymbol
from queries.export.formats import export_format
from queries.export.runner import Exported, Progress
from queries.holdings import Explained, explained, tables
from queries.measures import DEFAULTS, measures, require_known
from queries.measures import Options as MeasureOptions
from queries.opening import OpenLake
from queries.parts import SplitReplay, check_parts, export_parts
from queries.replay import Replay, at_times, every_so_often
from queries.silence import silence
from queries.sql_session import SqlSession
from queries.times import MILLISECOND_NS, NS_MAX, Duration, Time, Window, around, as_ns, duration_ns, iso, window
from queries.why import why
from storage.executors import Executor
from storage.schemas import TABLES

if TYPE_CHECKING:
    from queries.quality.report import Report

Order = Literal["arrival", "venue"]

VENUE_CLOCK_NS: Final = 600 * 10**9  # So far the venue's clock and ours may be apart, and its rows are still found.


class Tape:
    """The lake of a tape, as it stood when it was opened or last refreshed.

    path: a tape's root or its lake, in a directory or at `s3://bucket/prefix`. locked: SQL sees nothing but the lake; a
    notebook of one's own may open it unlocked, to join other files or to write a relation to one. leave_out_damaged: a
    question is answered without files that cannot be read, which `left_out` then names, instead of by FilesDamaged;
    only files that a question needs are looked at. as_of: what was known then, at a time (text or a datetime), or at a
    version of the lake (a number: of its table `events`). memory_limit: of DuckDB, e.g. 2GiB; threads: that it may use.
    Views: `book_changes`, `order_changes`, `trades`, `quotes`, `books`, `messages`, `instruments`, `events`, with
    prices and sizes as numbers and times in UTC beside the integers they come from; in schema `raw` the same names as
    stored.
    Any number of threads may ask. Errors: NotALake; Misused; LakeNewer, LakeDamaged, AsOfUnknown and
    StoreError of storage.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        locked: bool = True,
        leave_out_damaged: bool = False,
        memory_limit: str | None = None,
        threads: int | None = None,
        as_of: Time | None = None,
    ) -> None:
        limits = Limits(memory_limit, threads)
        self._opened = OpenLake(path, as_of=as_of, leave_out_damaged=leave_out_damaged, locked=locked, limits=limits)
        self.path = self._opened.path
        self._known: set[str] = set()

    @property
    def _engine(self) -> Engine:
        return self._opened.engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; an answer that is still wanted is to be fetched before."""
        self._engine.close()

    @property
    def left_out(self) -> dict[str, str]:
        """Files whose rows an answer was given without, and what is wrong with each."""
        return self._opened.left_out

    def refresh(self) -> None:
        """Take in what was committed since; an answer already given keeps to what it was asked of.

        A tape as of another time stays as it was.
        """
        self._opened.refresh()

    def changes(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        proven: bool = False,
        by: Order = "arrival",
    ) -> duckdb.DuckDBPyRelation:
        """Return the book changes of a symbol in a window, by arrival; with `proven`, proven rows only.

        by: "venue" for a window and an order by SendingTime(52), the venue's clock, in whole milliseconds.
        Errors: UnknownSymbol, EmptyWindow, TimeNotUnderstood, WindowReversed; Misused.
        """
        return self._entries("changes", "book_changes", symbol, window(start, end), proven=proven, by=by)

    def trades(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        proven: bool = False,
        by: Order = "arrival",
    ) -> duckdb.DuckDBPyRelation:
        """Return the trades of a symbol in a window, as `changes` does."""
        return self._entries("trades", "trades", symbol, window(start, end), proven=proven, by=by)

    def quotes(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        proven: bool = False,
        by: Order = "arrival",
    ) -> duckdb.DuckDBPyRelation:
        """Return the changes of the top of a symbol's book in a window, as `changes` does."""
        return self._entries("quotes", "quotes", symbol, window(start, end), proven=proven, by=by)

    def instruments(self, at: Time | None = None, *, symbol: str | None = None) -> duckdb.DuckDBPyRelation:
        """Return the version of each instrument that was valid at a moment, or the newest; of all, or of one.

        Errors: UnknownSymbol; TimeNotUnderstood.
        """
        at_ns = NS_MAX if at is None else as_ns(at)
        if symbol is not None:
            self._require(symbol, Window(0, NS_MAX))
        return self._ask("instruments_at", "instruments", Window(0, NS_MAX), symbol=symbol, at_ns=at_ns)

    def bars(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        every: Duration | None = None,
        ticks: int | None = None,
        volume: Exact | None = None,
        notional: Exact | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """Return bars of a symbol's trades: by time, or of so many trades, so much volume or notional each.

        every: interval, a minute if nothing is given; each has a bar, also without a trade, and `state` says whether
            there was none (`active`, `quiet`) or that is not known (`unknown`). volume, notional: exact, no float.
        Errors: as `changes`; DurationNotUnderstood; Misused where two are given, or the bars are too many.
        """
        bounds, full = window(start, end), threshold(ticks=ticks, volume=volume, notional=notional)
        if full is not None and every is not None:
            raise Misused(f"bars: every and {full.counted} given; use one of them")
        self._require(symbol, bounds)
        if full is not None:
            return counted_bars(self._engine, symbol, bounds, full)
        return time_bars(self._engine, symbol, bounds, EVERY_DEFAULT if every is None else every)

    def quote_bars(
        self, symbol: str, start: Time | None = None, end: Time | None = None, *, every: Duration = EVERY_DEFAULT
    ) -> duckdb.DuckDBPyRelation:
        """Return a bar of the top of book for each interval: how the best bid and offer stood and moved in it.

        Errors: as `bars`.
        """
        bounds = window(start, end)
        self._require(symbol, bounds)
        return quote_bars(self._engine, symbol, bounds, every)

    def messages(
        self, symbol: str | None = None, start: Time | None = None, end: Time | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Return the application messages about a symbol, or all, in a window, by arrival. Errors: as `changes`."""
        bounds = window(start, end)
        if symbol is not None:
            self._require(symbol, bounds)
        return self._ask("messages", "messages", bounds, symbol=symbol)

    def events(
        self, symbol: str | None = None, start: Time | None = None, end: Time | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Return what happened besides data in a window, by arrival: of a symbol and of its sessions, or all."""
        bounds = window(start, end)
        files = self._engine.files("events", start_ns=bounds.start_ns, end_ns=bounds.end_ns)
        return self._engine.ask("events", {"events": files}, {"symbol": symbol, **bounds._asdict()})

    def book(self, symbol: str, at: Time | None = None, depth: int = 10) -> BookAt:
        """Return the book of a symbol as it stood at a moment, that moment's messages included, with its certificate.

        at: the end of what is recorded, if not given. depth: levels of each side to return, at least 1.
        Errors: UnknownSymbol, TimeNotUnderstood; NoSnapshot where there is none to start from.
        """
        assert depth >= 1, "a book has at least one level a side"
        at_ns = None if at is None else as_ns(at)
        extent = self._engine.extent() or (0, 0)
        try:
            return book_at(self._engine, symbol, extent[1] if at_ns is None else at_ns, depth)
        except NoSnapshot:
            self._require(symbol, Window(0, NS_MAX))  # It may be a symbol that nobody knows.
            raise

    def books(self, symbol: str, times: Iterable[Time], depth: int = 10) -> Replay:
        """Return the books of a symbol as they stood at many moments, by time, in one pass over its rows.

        Shapes: one a moment, each once; those without a book are there and hold no level. Errors: as `book`, and as it
        runs FilesDamaged; BeyondInt64.
        """
        moments = sorted({as_ns(time) for time in times})
        bounds = Window(moments[0], moments[-1] + 1) if moments else Window(0, 1)
        self._require(symbol, Window(0, NS_MAX))
        return Replay(self._engine, symbol, bounds, depth, at_times(moments))

    def replay(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        every: Duration | None = None,
        events: bool = False,
        depth: int = 10,
    ) -> Replay:
        """Return the books of a symbol in a window: as they stood every so often, or after each message on the book.

        Shapes: record batches or arrays, streamed; see `Replay`. start: without one, the first whole interval that the
            lake covers; end: without one, where it ends. depth: levels of each side, at least 1.
        Errors: as `changes`, and as it runs FilesDamaged; BeyondInt64; Misused unless either an interval or events are
            asked for.
        """
        bounds, step_ns = self._replayed(symbol, start, end, every, events=events)
        instants = None if step_ns is None else every_so_often(bounds, step_ns)
        return Replay(self._engine, symbol, bounds, depth, instants)

    def replay_by(
        self,
        executor: Executor,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        every: Duration | None = None,
        events: bool = False,
        depth: int = 10,
    ) -> SplitReplay:
        """Return the same record batches as `replay`, in parts of an hour by several processes or a cluster.

        Errors: as `replay`; PartFailed.
        """
        bounds, step_ns = self._replayed(symbol, start, end, every, events=events)
        return SplitReplay(executor, self._opened.opening, symbol, bounds, every_ns=step_ns, depth=depth)

    def _replayed(
        self, symbol: str, start: Time | None, end: Time | None, every: Duration | None, *, events: bool
    ) -> tuple[Window, int | None]:
        """Return the window of a replay and its interval, which events have none of."""
        if events == (every is not None):
            raise Misused("replay: give either every, an interval such as 100ms, or events")
        step_ns = None if every is None else duration_ns(every)
        bounds = window(start, end)
        self._require(symbol, bounds)
        extent = self._engine.extent()
        assert extent is not None, "a lake that knows a symbol has rows"
        start_ns, end_ns = bounds
        if start is None:
            start_ns = -(-extent[0] // (step_ns or 1)) * (step_ns or 1)
        return Window(start_ns, extent[1] + 1 if end is None else end_ns), step_ns

    def export(
        self,
        form: str,
        directory: Path | str,
        symbols: Sequence[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        *,
        depth: int | None = None,
        force: bool = False,
        python: str | None = None,
        progress: Progress | None = None,
        executor: Executor | None = None,
    ) -> Exported:
        """Write symbols, or all, day by day in the format of another tool; docs/export.md has the formats.

        What is in the directory and whole is left alone, unless forced. Returns what was written and what was refused
        because the format cannot hold it. python: of the environment that has nautilus_trader, for that format.
        executor: who does the symbols and days; this process if not given.
        Errors: as `changes`; Misused; ManifestDamaged; PeerFailed; FilesDamaged; BeyondInt64; OSError.
        """
        bounds = window(start, end)
        wanted = self.symbols() if symbols is None else list(dict.fromkeys(symbols))
        for symbol in wanted:
            self._require(symbol, bounds)
        made = export_format(form, python=python)
        by = None if executor is None else partial(export_parts, executor, self._opened.opening, python)
        exporter = replace(self._opened.exporter(), by=by)
        return exporter.run(made, Path(directory), wanted, bounds, depth=depth, force=force, progress=progress)

    def symbols(self) -> list[str]:
        """Return every symbol that a message was about, sorted."""
        files = self._engine.files("messages", start_ns=0, end_ns=NS_MAX)
        return [symbol for (symbol,) in self._engine.ask("symbols", {"messages": files}, {}).fetchall()]

    def tables(self) -> pa.Table:
        """Return what each table holds: rows, bytes, files, dates, and from when to when."""
        return tables(self._engine)

    def explain(
        self, symbol: str, start: Time | None = None, end: Time | None = None, *, table: str = "book_changes"
    ) -> Explained:
        """Return which files, row groups and rows of a table a question about a symbol and window leaves unread.

        Errors: as `changes`; Misused where there is no such table.
        """
        if table not in TABLES:
            raise Misused(f"explain: table {table!r} is none; use one of {', '.join(TABLES)}")
        bounds = window(start, end)
        self._require(symbol, bounds)
        return explained(self._engine, table, symbol, bounds)

    def coverage(self) -> duckdb.DuckDBPyRelation:
        """Return from when to when each symbol was recorded, with its counts of messages, proven ones and sessions."""
        files = self._engine.files("messages", start_ns=0, end_ns=NS_MAX)
        return self._engine.ask("coverage", {"messages": files}, {})

    @property
    def is_united(self) -> bool:
        """Whether it was merged of two recorders' tapes: `silence` then answers nothing."""
        return self._engine.is_united

    def silence(
        self, symbol: str | None = None, start: Time | None = None, end: Time | None = None, *, totals: bool = False
    ) -> duckdb.DuckDBPyRelation:
        """Return which seconds of each session were active, quiet or unknown, in runs, by time.

        Active: something came, and nothing that was sent is missing. Quiet: nothing was sent, proven by the numbers of
        what came later. Unknown: anything may be missing. Of a symbol, its book must stand as well.
        totals: seconds of each state and session instead of runs. Of a merged tape there is nothing to tell: ask the
            tapes of the recorders. Errors: as `changes`.
        """
        bounds = window(start, end)
        if symbol is not None:
            self._require(symbol, bounds)
        runs = silence(self._engine, symbol, bounds)
        if not totals:
            return runs
        columns = "session_id, symbol, state"
        return runs.aggregate(f"{columns}, CAST(sum(seconds) AS BIGINT) AS seconds", columns).order(columns)

    def measures(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        every: Duration = EVERY_DEFAULT,
        names: Sequence[str] | None = None,
        strict: bool = False,
        options: MeasureOptions = DEFAULTS,
    ) -> duckdb.DuckDBPyRelation:
        """Return measures of the market by interval: docs/measures.md has their formulas.

        names: which of them, all if not given. Where anything of an interval is not known they are null, and `reason`
            says so; strict: that is an error instead.
        Errors: as `bars`; HoleInWindow; BeyondInt64.
        """
        bounds = window(start, end)
        self._require(symbol, bounds)
        found = measures(self._engine, symbol, bounds, every, names, options)
        if strict:
            require_known(symbol, found)
        return found

    def why(self, symbol: str, start: Time | None = None, end: Time | None = None) -> duckdb.DuckDBPyRelation:
        """Return the story of a window, by time: events, messages in runs, quiet and unknown seconds, clocks.

        Each line has a place in the journal, its own message's or that of the last message before it. Errors: as
        `changes`.
        """
        bounds = window(start, end)
        self._require(symbol, bounds)
        return why(self._engine, symbol, closed(self._engine, bounds))

    def quality(self, date: str, *, full: bool = True, executor: Executor | None = None) -> "Report":
        """Return the report of a UTC date: ten checks, their findings, and the condition of each symbol.

        date: YYYY-MM-DD. full: verify every byte of the day's files, not only names, sizes and footers. executor: who
            runs the checks; this process if not given.
        Errors: TimeNotUnderstood; EmptyWindow where nothing of that date was recorded.
        """
        from queries.quality.report import report  # noqa: PLC0415 - it brings the journal's reader

        by = None if executor is None else partial(check_parts, executor, self._opened.opening, date, full)
        return report(self._engine, self.path, date, full=full, by=by)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return the relation of one SELECT over the views; unlocked, of whatever has one.

        Errors: StatementFailed where it is not one SELECT, or DuckDB refuses it; what fails only as it runs raises
            duckdb.Error from the relation.
        """
        return self.sql_session().ask(query)

    def sql_session(self, *, timeout_s: float | None = None) -> SqlSession:
        """Return a connection of the caller's own for statement after statement, each with so many seconds."""
        return SqlSession(self._engine.cursor(), locked=self._opened.locked, timeout_s=timeout_s)

    def init_script(self) -> str:
        """Return SQL that makes the views and macros in a DuckDB of one's own, over this tape's files as of now."""
        return self._engine.script()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection of the caller's own on the views, for what `sql` does not do."""
        return self._engine.cursor()

    def _entries(
        self, name: str, table: str, symbol: str, bounds: Window, *, proven: bool, by: Order
    ) -> duckdb.DuckDBPyRelation:
        if by not in ("arrival", "venue"):
            raise Misused(f"{name}: by is {by!r}; use arrival or venue")
        self._require(symbol, bounds)
        arrived = bounds if by == "arrival" else around(bounds, VENUE_CLOCK_NS)
        start_ms, end_ms = (-(-ns // MILLISECOND_NS) for ns in bounds)
        venue = {"by_venue": by == "venue", "start_ms": start_ms, "end_ms": end_ms}
        return self._ask(name, table, arrived, symbol=symbol, proven=proven, **venue)

    def _ask(self, name: str, table: str, bounds: Window, **parameters: object) -> duckdb.DuckDBPyRelation:
        symbol = parameters["symbol"]
        assert symbol is None or isinstance(symbol, str), "a symbol is a string"
        files = self._engine.files(table, start_ns=bounds.start_ns, end_ns=bounds.end_ns, symbol=symbol)
        stretch = {} if "at_ns" in parameters else bounds._asdict()
        return self._engine.ask(name, {table: files}, {**parameters, **stretch})

    def _require(self, symbol: str, bounds: Window) -> None:
        """Raise if the lake does not cover a window at all, or has never seen a symbol."""
        extent = self._engine.extent()
        if extent is None or bounds.end_ns <= extent[0] or bounds.start_ns > extent[1]:
            covered = None if extent is None else f"{iso(extent[0])} to {iso(extent[1])}"
            raise EmptyWindow(str(bounds), covered=covered)
        if symbol in self._known:
            return
        files = self._engine.files("messages", start_ns=0, end_ns=NS_MAX, symbol=symbol)
        if self._engine.newest("last_message", "messages", files, {"symbol": symbol, "at_ns": NS_MAX}) is None:
            raise UnknownSymbol(symbol, self.symbols())
        self._known.add(symbol)
