"""Silence as evidence: which seconds of a session were active, proven quiet, or unknown.

Layer: queries, over the engine. Knows which files the question needs; the question itself is `sql/part_seconds.sql`.
Source: design section 6: numbered heartbeats and messages make silence evidence.

The numbers of all messages of a day are too many to read for it. Only the last one before each of a few moments counts,
so reading begins shortly before the earliest of them, and earlier only where that turns out not to suffice. What
follows from events and those numbers is small, and worked out once a question; then one pass over the times of the
messages in the window, of one symbol where one is asked for, tells which of its seconds were active.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from queries.engine import Engine
from queries.times import NS_MAX, Window
from storage.lake import FileInfo

SESSION_NS_LIMIT: Final = 26 * 3600 * 10**9  # The daily roll-over ends every session; with room for late clocks.
HEARTBEATS: Final = 3  # Without any number for so many intervals, no session goes on.
HEARTBEAT_S: Final = 60  # Where no logon says another.
SECONDS_PARTS: Final[Mapping[str, str]] = {"unbelieved": "part_unbelieved", "seconds": "part_seconds"}
SILENCE_PARTS: Final[Mapping[str, str]] = {**SECONDS_PARTS, "silence": "silence"}
_NUMBERED: Final[Mapping[str, str]] = {"numbered": "part_numbered"}
_TOLD: Final[Mapping[str, str]] = {"told": "part_told"}
_SECOND_NS: Final = 10**9


class Told(NamedTuple):
    """What is told of sessions in and around a window, as tables to ask: their events, lives, and breaks of numbers.

    messages: the files that may hold what silence in the window goes by.
    """

    tables: dict[str, pa.Table]
    messages: list[FileInfo]


class Sources(NamedTuple):
    """What the parts of silence are read from. around: files of the messages of a wider window, of any symbol."""

    files: dict[str, list[FileInfo]]
    parameters: dict[str, object]
    tables: dict[str, pa.Table]
    around: list[FileInfo]


def silence(engine: Engine, symbol: str | None, bounds: Window) -> duckdb.DuckDBPyRelation:
    """Return runs of seconds of each session, by time; a symbol's quiet needs a book that stands as well."""
    files, parameters, tables, _ = silence_sources(engine, symbol, bounds)
    return engine.ask("silence", files, parameters, parts=SECONDS_PARTS, tables=tables)


def silence_sources(engine: Engine, symbol: str | None, bounds: Window) -> Sources:
    """Return the files, parameters and tables of SILENCE_PARTS.

    Of messages only the seconds in which they came count, so those of the window are read, of the symbol alone. Others
    are looked at only where numbers were sent again.
    """
    tables, around = told(engine, bounds)
    healed = [row for row in tables["windows"].to_pylist() if not row["is_lost"]]
    if healed:
        first_ns, last_ns = min(row["found_ns"] for row in healed), max(row["to_ns"] for row in healed)
        again = {"messages": engine.files("messages", start_ns=first_ns, end_ns=last_ns + 1, symbol=symbol)}
        windows = engine.ask("silence_spoken", again, {"symbol": symbol}, tables=tables).to_arrow_table()
        tables = {**tables, "windows": windows}
    spoken_ns = bounds.start_ns // _SECOND_NS * _SECOND_NS
    spoken_ns_last = _later((bounds.end_ns - 1) // _SECOND_NS * _SECOND_NS, _SECOND_NS) - 1
    spoken = engine.files("messages", start_ns=spoken_ns, end_ns=spoken_ns_last + 1, symbol=symbol)
    return Sources(
        {"messages": spoken},
        {"symbol": symbol, "spoken_ns": spoken_ns, "spoken_ns_last": spoken_ns_last, **bounds._asdict()},
        tables,
        around,
    )


def told(engine: Engine, bounds: Window) -> Told:
    """Return what is told of the sessions in and around a window, as tables `events`, `lives` and `windows`.

    Sessions are judged whole: events are read as far around the window as a session can reach, messages as far around
    it as silence can last.
    """
    return engine.once(("told", bounds), lambda: _told(engine, bounds))


def _told(engine: Engine, bounds: Window) -> Told:
    files = engine.files(
        "events", start_ns=max(bounds.start_ns - SESSION_NS_LIMIT, 0), end_ns=_later(bounds.end_ns, SESSION_NS_LIMIT)
    )
    events = {"events": engine.ask("silence_events", {"events": files}, {}).to_arrow_table()}
    ((longest, is_broken),) = engine.ask("silence_reach", {}, {}, tables=events).fetchall()
    margin_ns = HEARTBEATS * int(longest or HEARTBEAT_S) * _SECOND_NS
    earliest_ns = max(bounds.start_ns - margin_ns, 0)
    messages = engine.files("messages", start_ns=earliest_ns, end_ns=_later(bounds.end_ns, margin_ns))
    until_ns = min(bounds.end_ns, max((file.last_ns for file in messages), default=0))
    asked = {"start_ns": bounds.start_ns, "until_ns": until_ns}
    moments = engine.ask("silence_moments", {}, asked, parts=_TOLD, tables=events).fetchall()[0]
    for moment_ns in (*moments, 0):
        numbers_ns = max((moment_ns or 0) - margin_ns, earliest_ns)
        tables = _judged(engine, events, messages, numbers_ns, bounds.start_ns, is_broken=is_broken)
        if numbers_ns == earliest_ns:
            break
        tried = {**asked, "end_ns": bounds.end_ns, "numbers_ns": numbers_ns}
        ((unheard,),) = engine.ask("silence_unheard", {}, tried, parts=_TOLD, tables=tables).fetchall()
        if not unheard:
            break
    return Told(tables, messages)


def _judged(
    engine: Engine,
    events: dict[str, pa.Table],
    messages: list[FileInfo],
    numbers_ns: int,
    start_ns: int,
    *,
    is_broken: bool,
) -> dict[str, pa.Table]:
    """Return events with the two tables that follow from them and from numbers not older than a moment."""
    asked = {"numbers_ns": numbers_ns, "start_ns": start_ns}
    read = {"messages": [file for file in messages if file.last_ns >= numbers_ns]}
    lives = engine.ask("part_lives", read, asked, parts=_NUMBERED, tables=events).to_arrow_table()
    tables = {**events, "lives": lives}
    if not is_broken:
        read = {"messages": []}  # No number before a break is asked for.
    windows = engine.ask("part_windows", read, asked, parts=_NUMBERED, tables=tables).to_arrow_table()
    return {**tables, "windows": windows}


def _later(ns: int, by_ns: int) -> int:
    return min(ns, NS_MAX - by_ns) + by_ns
