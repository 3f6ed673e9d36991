"""Silence, and the states of bars, are what judging second by second from all rows gives."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from lake_maker import make_lake
from lake_rows import SECOND
from silence_by_hand import ACTIVE, QUIET, UNKNOWN, Heard
from told import Told, ns

from queries.tape import Tape

SYMBOLS = ("BTC/USD", "ETH/USD")
HOUR = 3600
TOGETHER = ("snapshot", "mismatch", "suspect", "healed", "unsubscribe")  # What is about a symbol.

# Of a session's rows, a few seconds apart or hours: when, what, and of which symbol where it is about one. All sessions
# lie within a day, one after the other: how long after the one before it each begins, how it ends, its heartbeat.
moments = st.one_of(st.integers(0, 40), st.integers(0, 5 * HOUR // 2))
said = st.tuples(moments, st.sampled_from(["message", "message", "heartbeat", *TOGETHER]), st.sampled_from(SYMBOLS))
broken = st.tuples(
    moments,
    st.sampled_from(["gap", "gap", "gap_closed", "gap_fill", "sequence_reset", "rollover"]),
    st.sampled_from(SYMBOLS),
)
unique = {"unique_by": lambda row: row[0]}
lives = st.tuples(
    st.one_of(st.integers(0, 60), st.integers(0, HOUR)),
    st.lists(said, max_size=12, **unique),
    st.lists(broken, max_size=4, **unique),
    st.sampled_from([None, "disconnect", "logout"]),
    st.sampled_from([2, 60]),
)
windows = st.one_of(
    st.tuples(st.integers(0, 60), st.integers(1, 60)), st.tuples(st.integers(0, 2 * HOUR), st.integers(1, 5 * HOUR))
)


def tell(sessions: list[Any]) -> Told:
    """The rows of sessions; what is about a number bears the next one, so numbers run on but for the gaps' own."""
    told = Told()
    begin = 0
    for index, (after, spoken, breaks, end, heartbeat_s) in enumerate(sessions):
        told.session = f"S{index}"
        begin += after
        told.open(float(begin), heartbeat_s)
        rows = sorted({row[0]: row for row in (*spoken, *breaks)}.values())
        for seq, (at, kind, symbol) in enumerate(rows, 2):
            moment = begin + at + 0.25
            if kind == "message":
                told.message(moment, seq, symbol)
            elif kind in TOGETHER:
                numbered = None if kind == "suspect" and at % 2 else seq
                text = "by resend" if kind == "healed" and at % 3 == 0 else None
                told.event(moment, kind, numbered, symbol=symbol, from_ns=moment - at % 5, text=text)
            else:
                told.event(moment, kind, seq, count=1)
        begin += max((row[0] for row in rows), default=0) + 1
        if end is not None:
            begin += 60 * len(rows)  # Nothing is heard for a while.
            told.event(float(begin), end, 1000)
    return told


def rows_of(tape: Tape, table: str) -> list[Any]:
    return tape.sql(f"SELECT * FROM raw.{table}").to_arrow_table().to_pylist()  # noqa: S608 - a name of ours


def states_of(tape: Tape, symbol: str | None, bounds: tuple[int, int]) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    runs = tape.silence(symbol, *bounds).project("session_id, state, from_ns, to_ns").fetchall()
    for session, state, from_ns, to_ns in runs:
        found.setdefault(session, {}).update(dict.fromkeys(range(from_ns // SECOND, to_ns // SECOND), state))
    return found


# A break behind the window, of what came before it; numbers sent again behind it, of one symbol only; a roll-over.
@example(
    sessions=[(767, [(0, "message", SYMBOLS[0]), (22, "message", SYMBOLS[0])], [(7, "gap", "")], None, 2)],
    window=(768, 1),
    every=SECOND,
)
@example(
    sessions=[
        (
            0,
            [(1, "snapshot", SYMBOLS[0]), (2, "message", SYMBOLS[1]), (9, "message", SYMBOLS[0])],
            [(8, "gap", ""), (10, "gap_closed", "")],
            "logout",
            60,
        )
    ],
    window=(1, 6),
    every=SECOND,
)
@example(
    sessions=[
        (0, [(1, "snapshot", SYMBOLS[0]), (5, "message", SYMBOLS[0])], [(6, "rollover", "")], "disconnect", 60),
        (5, [(1, "snapshot", SYMBOLS[0]), (9, "heartbeat", SYMBOLS[0])], [], None, 60),
    ],
    window=(0, 30),
    every=3 * SECOND,
)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    sessions=st.lists(lives, min_size=1, max_size=3),
    window=windows,
    every=st.sampled_from([SECOND // 2, SECOND, 3 * SECOND, 7 * SECOND // 4]),
)
def test_silence_is_what_each_second_is_judged_by_itself(
    sessions: list[Any], window: tuple[int, int], every: int
) -> None:
    """Of each symbol and of all, over holes, resets, restarts and roll-overs; and a bar's state follows from it."""
    told = tell(sessions)
    start, length = window
    bounds = (ns(start), ns(start + length) + SECOND // 3)
    with tempfile.TemporaryDirectory() as directory, Tape(make_lake(Path(directory), told.columns)) as tape:
        events, messages = rows_of(tape, "events"), rows_of(tape, "messages")
        moments_ns = [row["receive_ns"] for row in (*events, *messages)]
        from_ns = bounds[0] // every * every
        until_ns = min(-(-bounds[1] // every) * every, from_ns + 2000 * every)
        if max(moments_ns) < bounds[0] or min(moments_ns) >= min(bounds[1], until_ns):
            return  # Outside the lake.
        for symbol in (None, *sorted({row["symbol"] for row in messages})):
            assert states_of(tape, symbol, bounds) == Heard(events, messages, symbol, *bounds).states

        for symbol in sorted({row["symbol"] for row in messages}):
            bars = tape.bars(symbol, from_ns, until_ns, every=every).project("from_ns, to_ns, state, unknown_seconds")
            known = Heard(events, messages, symbol, from_ns - SECOND, until_ns + SECOND).known()
            assert bars.fetchall() == [judged(known, at, at + every) for at in range(from_ns, until_ns, every)]


def judged(known: dict[int, bool], from_ns: int, to_ns: int) -> tuple[int, int, str, int]:
    """What a bar says of its interval."""
    touched = range(from_ns // SECOND, (to_ns - 1) // SECOND + 1)
    unknown = sum(second not in known for second in touched)
    is_active = any(known.get(second, False) for second in touched)
    return from_ns, to_ns, UNKNOWN if unknown else ACTIVE if is_active else QUIET, unknown
