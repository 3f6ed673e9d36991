"""Why a window is as it is: what happened, what is missing, and where in the journal to look.

Layer: queries, over the engine. Knows which files the question needs; the question itself is `sql/why.sql`.
Source: design section 7.
Left to others: which seconds are known (`queries.silence`), the bytes themselves (`fixtape journal cat`).
"""

from typing import Final

import duckdb

from queries.engine import Engine
from queries.silence import SILENCE_PARTS, silence_sources
from queries.times import Window

QUIET_SECONDS: Final = 10  # A shorter silence is no part of a story.


def why(engine: Engine, symbol: str, bounds: Window) -> duckdb.DuckDBPyRelation:
    """Return the lines of a window's story, by time."""
    _, parameters, tables, around = silence_sources(engine, symbol, bounds)
    parameters = {**parameters, "quiet_seconds": QUIET_SECONDS, "is_united": engine.is_united}
    return engine.ask("why", {"messages": around}, parameters, parts=SILENCE_PARTS, tables=tables)
