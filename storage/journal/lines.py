"""The journal as a classic FIX log: one line a message, readable and safe to print.

Layer: journal, above `reader`. Pure: records in, lines out.
Left to others: printing and options (`cli`); framing proper (`capture.wire`): messages are told apart by their trailer.

    20261122-10:15:00.123456789 < 8=FIX.4.4|9=...|10=123|     received; the time of the read that completed it
    20261122-10:15:00.123456789 > 8=FIX.4.4|9=...|10=123|     sent
    20261122-10:15:00.123456789 ! closed reason="end of stream" reset=false

SOH is shown as `|`. Bytes that are not printable, the backslash and `|` itself are written `\\xNN`: nothing the venue
sends reaches a terminal as it is.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from capture.sinks import Connection
from storage.journal.cuts import MessageSplitter
from storage.journal.format import Fields, FieldValue
from storage.journal.reader import Record, RecordKind
from storage.journal.times import log_text

RECEIVED_MARK: Final = "<"
SENT_MARK: Final = ">"
NOTE_MARK: Final = "!"

_MARKS: Final = {RecordKind.RECEIVED: RECEIVED_MARK, RecordKind.SENT: SENT_MARK}
_ENDS: Final = (RecordKind.OPENED, RecordKind.CLOSED, RecordKind.RESET)
_ESCAPES: Final = {code: f"\\x{code:02x}" for code in range(256) if not 0x20 <= code < 0x7F or chr(code) in "\\|"} | {
    1: "|"
}
_MSG_TYPE: Final = re.compile(rb"\x0135=([^\x01]*)\x01")


class Line(NamedTuple):
    """One line of the log.

    msg_type: MsgType(35) of a message, None of a note or of what bears none. message: its bytes, None of a note.
    kind, fields: of a note.
    """

    at_ns: int
    mark: str
    text: str
    msg_type: str | None
    message: bytes | None = None
    kind: str = ""
    fields: Fields | None = None

    def __str__(self) -> str:
        return f"{log_text(self.at_ns)} {self.mark} {self.text}"


def log_lines(records: Iterable[Record]) -> Iterator[Line]:
    """Return the lines of a log: messages whole, however they were cut into reads, and what else is recorded.

    What a connection's end or the last record leaves of a message is shown as far as it came, and noted.
    """
    splitters: dict[tuple[Connection | None, str], MessageSplitter] = {}
    at_ns = 0
    for record in records:
        at_ns = record.at_ns
        mark = _MARKS.get(record.kind)
        if mark is not None:
            splitter = splitters.setdefault((record.connection, mark), MessageSplitter())
            yield from (message_line(at_ns, mark, message) for message in splitter.feed(record.data))
            continue
        if record.kind in _ENDS:
            yield from _rests(at_ns, splitters, record.connection)
        yield _record_line(record)
    for connection in {connection for connection, _ in splitters}:
        yield from _rests(at_ns, splitters, connection)


def plain(text: str) -> str:
    """Return a text as it is if it is one printable word, and quoted with everything else escaped if not."""
    if text.isprintable() and text and not set(text) & set(' "=\\'):
        return text
    return json.dumps(text).replace("\x7f", "\\u007f")


def message_line(at_ns: int, mark: str, message: bytes) -> Line:
    """Return a message as one line of the log."""
    match = _MSG_TYPE.search(message)
    return Line(at_ns, mark, _escaped(message), _escaped(match[1]) if match else None, message)


def _rests(
    at_ns: int, splitters: dict[tuple[Connection | None, str], MessageSplitter], connection: Connection | None
) -> Iterator[Line]:
    for mark in (RECEIVED_MARK, SENT_MARK):
        splitter = splitters.pop((connection, mark), None)
        rest = splitter.rest() if splitter else b""
        if rest:
            yield message_line(at_ns, mark, rest)
            fields: Fields = {"direction": mark, "bytes": len(rest)}
            yield _note_line(at_ns, "incomplete", fields)


def _record_line(record: Record) -> Line:
    fields = dict(record.fields or {})
    fields.pop("fixtape", None)
    kind = str(fields.pop("kind", record.kind)) if record.kind is RecordKind.NOTE else str(record.kind)
    return _note_line(record.at_ns, kind, fields)


def _note_line(at_ns: int, kind: str, fields: Fields) -> Line:
    text = " ".join([plain(kind), *(_pair(*pair) for pair in fields.items())])
    return Line(at_ns, NOTE_MARK, text, None, None, kind, fields)


def _pair(name: str, value: FieldValue) -> str:
    return f"{plain(name)}={plain(value) if isinstance(value, str) else json.dumps(value)}"


def _escaped(data: bytes) -> str:
    return data.decode("latin-1").translate(_ESCAPES)
