"""What happened between a book's beginning and its moment that its certificate must tell: gaps, and suspect spans.

Layer: queries, over the row source.
Source: design section 6; table `events` in docs/tables.md.
"""

from typing import Final

import pyarrow.compute as pc

from queries.certificate import Crossed
from queries.engine import Engine
from queries.times import Window

_READ: Final = ("receive_ns", "session_id", "msg_seq_num", "symbol", "kind", "from_ns", "to_ns", "text")
_OF_SYMBOL: Final = frozenset({"mismatch", "suspect", "healed", "invariant", "unsubscribe"})
_OF_SESSION: Final = frozenset({"gap", "gap_fill", "gap_closed", "sequence_reset", "rollover"})


def crossings(engine: Engine, symbol: str, session_id: str, begin_ns: int, at_ns: int) -> tuple[Crossed, ...]:
    """Return the events of a symbol's book and its session from one moment to another, both included, by arrival."""
    bounds = Window(begin_ns, at_ns + 1)
    found = []
    for file in engine.readable("events", bounds, None):
        for rows in engine.rows.parts("events", file, None, _READ, bounds, session_id=session_id):
            of_session = rows.filter(pc.equal(rows["session_id"].cast("string"), session_id))
            found += [row for row in of_session.to_pylist() if _concerns(row["kind"], row["symbol"], symbol)]
    found.sort(key=lambda row: (row["receive_ns"], row["msg_seq_num"] or 0, row["kind"]))
    return tuple(
        Crossed(
            kind=row["kind"],
            at_ns=row["receive_ns"],
            from_ns=row["receive_ns"] if row["from_ns"] is None else row["from_ns"],
            to_ns=row["receive_ns"] if row["to_ns"] is None else row["to_ns"],
            text=row["text"] or "",
        )
        for row in found
    )


def _concerns(kind: str, of: str | None, symbol: str) -> bool:
    return kind in _OF_SYMBOL if of == symbol else of is None and kind in _OF_SESSION
