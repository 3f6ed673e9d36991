"""What the `messages` table says around a moment of a book: the last message, the next checksum, a newer session.

Layer: queries, over the row source.
Source: design section 7, the certificate of a book.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from queries.engine import Engine
from queries.row_source import of_sessions
from queries.times import NS_MAX, Window
from storage.lake import FileInfo

_READ: Final = (
    "receive_ns",
    "session_id",
    "msg_seq_num",
    "checksum_received",
    "checksum_computed",
    "verdict",
)


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """One message about a symbol. checksum_received, checksum_computed: None where there is none."""

    receive_ns: int
    session_id: str
    msg_seq_num: int
    checksum_received: int | None
    checksum_computed: int | None
    verdict: str | None


def last_message(engine: Engine, symbol: str, at_ns: int) -> SeenMessage | None:
    """Return the last message about a symbol at or before a moment. Errors: FilesDamaged."""
    if at_ns < 0:
        return None
    bounds = Window(0, at_ns + 1)
    newest: SeenMessage | None = None
    for file in sorted(engine.readable("messages", bounds, symbol), key=lambda file: file.last_ns, reverse=True):
        if newest is not None and file.last_ns < newest.receive_ns:
            break
        for rows in engine.rows.parts("messages", file, symbol, _READ, bounds, newest_first=True, keep=True):
            found = _last_of(rows)
            if newest is None or _order(found) > _order(newest):
                newest = found
            break
    return newest


def message(engine: Engine, symbol: str, session_id: str, seq: int, at_ns: int) -> SeenMessage | None:
    """Return the message of a number, received at a moment."""
    bounds = Window(at_ns, at_ns + 1)
    for file in engine.readable("messages", bounds, symbol):
        for rows in engine.rows.parts("messages", file, symbol, _READ, bounds, session_id=session_id, keep=True):
            same = pc.and_(
                pc.equal(rows["msg_seq_num"], seq), pc.equal(rows["session_id"].cast(pa.string()), session_id)
            )
            place = pc.index(same, True).as_py()
            if place >= 0:
                return _seen(rows, place)
    return None


def next_checksum(engine: Engine, symbol: str, session_id: str, after_ns: int) -> SeenMessage | None:
    """Return the first message of a session after a moment that bears a checksum of the symbol's book."""
    bounds = Window(after_ns + 1, NS_MAX)
    soonest: SeenMessage | None = None
    for file in engine.readable("messages", bounds, symbol):
        if soonest is not None and file.first_ns > soonest.receive_ns:
            break
        for rows in engine.rows.parts("messages", file, symbol, _READ, bounds, session_id=session_id, keep=True):
            for name, part in of_sessions(rows):
                place = pc.index(part["checksum_received"].is_valid(), True).as_py()
                if name == session_id and place >= 0:
                    found = _seen(part, place)
                    if soonest is None or _order(found) < _order(soonest):
                        soonest = found
                    break
            if soonest is not None:
                break
    return soonest


def later_session(engine: Engine, session_id: str, after_ns: int, at_ns: int) -> str | None:
    """Return the session of the newest message of any symbol between two moments, if it is another.

    Where every row group of that stretch holds this session alone, as it mostly is, nothing is read.
    """
    files: list[FileInfo] = engine.files("messages", start_ns=after_ns, end_ns=at_ns + 1)
    bounds = Window(after_ns, at_ns + 1)
    if all(group.session_id == session_id for file in files for group in engine.rows.footer(file).groups(None, bounds)):
        return None
    found = engine.newest("last_message", "messages", files, {"symbol": None, "at_ns": at_ns})
    return None if found is None or found[0] == session_id else str(found[0])


def _last_of(rows: pa.Table) -> SeenMessage:
    """Return the last of rows that stand by receive time: of those that share it, of the latest session and number."""
    last_ns = rows["receive_ns"][-1].as_py()
    begin = pc.index(rows["receive_ns"], last_ns).as_py()
    return max((_seen(rows, place) for place in range(begin, len(rows))), key=_order)


def _order(seen: SeenMessage) -> tuple[int, str, int]:
    return seen.receive_ns, seen.session_id, seen.msg_seq_num


def _seen(rows: pa.Table, place: int) -> SeenMessage:
    return SeenMessage(**rows.slice(place, 1).to_pylist()[0])
