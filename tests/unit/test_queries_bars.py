"""Bars: what is quiet, what is unknown, what is exact, what is refused."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import SECOND, add
from told import DAY, Told, ns

from queries.bars import BARS_LIMIT
from queries.bars_cli import bars_command
from queries.errors import DurationNotUnderstood, EmptyWindow, Misused, UnknownSymbol
from queries.tape import Tape

BTC = "BTC/USD"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of BTC/USD that dies after second 9 and is followed by another at second 15."""
    told = Told().open(0.0).event(0.5, "snapshot", 2, symbol=BTC).message(0.5, 2)
    trade(told, 2.25, 3, price=280010)
    told.message(4.0, 4).event(9.9, "heartbeat", 5).event(13.0, "disconnect")
    told.session = "S2"
    told.open(15.1).event(15.2, "snapshot", 2, symbol=BTC).message(15.2, 2)
    trade(told, 15.5, 3, price=280030)
    trade(told, 18.0, 4, price=280020, aggressor_side=2, size=1)
    told.event(19.9, "heartbeat", 5).event(19.95, "logout", 6)
    for session, seq, at, bid in (("S1", 2, 0.5, 280000), ("S1", 4, 4.0, 280001), ("S2", 2, 15.2, 280002)):
        add(told.columns, "quotes", session_id=session, receive_ns=ns(at), msg_seq_num=seq, bid_price=bid)
    return make_lake(tmp_path_factory.mktemp("tape"), told.columns)


def trade(told: Told, at: float, seq: int, **values: Any) -> None:
    told.message(at, seq)
    add(told.columns, "trades", session_id=told.session, receive_ns=ns(at), msg_seq_num=seq, **values)


@pytest.fixture(scope="module")
def tape(root: Path) -> Any:
    with Tape(root) as tape:
        yield tape


def told_of(relation: Any, columns: str) -> list[Any]:
    return [((at - DAY) / SECOND, *row) for at, *row in relation.project(f"from_ns, {columns}").fetchall()]


def test_a_quiet_interval_is_told_from_an_unknown_one(tape: Tape) -> None:
    """Without trades there are no prices; zero is counted only where it is known that there was none."""
    bars = told_of(tape.bars(BTC, ns(0), ns(21), every="1s"), "state, trades, volume, close, unknown_seconds")

    assert bars == [
        (0, "unknown", None, None, None, 1),
        (1, "quiet", 0, 0, None, 0),
        (2, "active", 1, 0.00096506, 28001.0, 0),
        (3, "quiet", 0, 0, None, 0),
        (4, "active", 0, 0, None, 0),
        *((float(at), "quiet", 0, 0, None, 0) for at in range(5, 9)),
        *((float(at), "unknown", None, None, None, 1) for at in range(9, 15)),
        (15, "unknown", 1, 0.00096506, 28003.0, 1),
        (16, "quiet", 0, 0, None, 0),
        (17, "quiet", 0, 0, None, 0),
        (18, "active", 1, 0.00000001, 28002.0, 0),
        (19, "unknown", None, None, None, 1),
        (20, "unknown", None, None, None, 1),
    ]


def test_without_volume_there_is_no_average(tape: Tape) -> None:
    """Null, not the NaN that DuckDB 2.0 has for zero by zero."""
    assert told_of(tape.bars(BTC, ns(16), ns(18), every="1s"), "volume, vwap") == [(16, 0.0, None), (17, 0.0, None)]


def test_an_interval_is_known_only_whole(tape: Tape) -> None:
    """One that touches an unknown second is unknown; what came in it is counted all the same."""
    bars = tape.bars(BTC, ns(0), ns(20), every="5s")

    assert told_of(bars, "state, trades, unknown_seconds, complete") == [
        (0, "unknown", 1, 1, False),
        (5, "unknown", None, 1, False),
        (10, "unknown", None, 5, False),
        (15, "unknown", 2, 2, False),
    ]


def test_intervals_are_the_same_in_every_window(tape: Tape) -> None:
    """A window is widened to whole intervals since the epoch, so its first and last bars are whole."""
    assert told_of(tape.bars(BTC, ns(2.4), ns(3.1), every="2s"), "trades") == [(2, 1)]
    assert told_of(tape.bars(BTC, every="1d"), "trades") == [(-(DAY % (86400 * SECOND)) / SECOND, 3)]


def test_an_open_window_ends_with_the_tape(tape: Tape) -> None:
    """Without bounds there are bars from the first thing recorded to the last, a minute each."""
    assert told_of(tape.bars(BTC), "trades") == [(0, 3)]
    assert len(tape.bars(BTC, every=timedelta(seconds=1)).fetchall()) == 20


def test_a_counted_bar_over_a_hole_says_so(tape: Tape) -> None:
    """Trades share a bar though some between them may be missing; it is unknown, and never complete."""
    bars = told_of(tape.bars(BTC, ticks=2), "to_ns, state, trades, complete, unknown_seconds")

    assert bars == [(2.25, ns(15.5) + 1, "unknown", 2, False, 7), (18.0, ns(18) + 1, "active", 1, False, 0)]


def test_a_trade_fills_a_bar_and_is_not_split(tape: Tape) -> None:
    """What is too much for a bar counts for the next; a threshold may be finer than the sizes are."""
    for volume in ("0.0009650600", Decimal("0.00096506"), "9.6506E-4"):
        assert told_of(tape.bars(BTC, volume=volume), "trades") == [(2.25, 1), (15.5, 1), (18.0, 1)]
    assert told_of(tape.bars(BTC, volume="0.00096507"), "trades") == [(2.25, 2), (18.0, 1)]
    assert told_of(tape.bars(BTC, notional=54), "trades") == [(2.25, 2), (18.0, 1)]
    assert told_of(tape.bars(BTC, ns(16), notional=54), "trades, complete") == [(18.0, 1, False)]


def test_a_quote_stands_until_the_next_where_all_is_known(tape: Tape) -> None:
    """A quiet bar opens and closes with what stood before it; over a hole nothing stands."""
    bars = told_of(tape.quote_bars(BTC, ns(3), ns(18), every="3s"), "state, bid_open_scaled, bid_close_scaled, quotes")

    assert bars == [
        (3, "active", 280000, 280001, 1),
        (6, "quiet", 280001, 280001, 0),
        (9, "unknown", None, None, None),
        (12, "unknown", None, None, None),
        (15, "unknown", 280002, 280002, 1),
    ]
    assert told_of(tape.quote_bars(BTC, ns(17), ns(18), every="1s"), "bid_open_scaled") == [(17, 280002)]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"every": "1s", "ticks": 1}, "every and ticks given"),
        ({"volume": 1, "notional": 1}, "volume and notional given"),
        ({"ticks": 0}, "use a number above zero"),
        ({"ticks": True}, "use an int"),
        ({"ticks": Decimal("1.5")}, "whole number above zero"),
        ({"volume": 0.5}, "use an int, a Decimal or a string"),
        ({"volume": "-1"}, "above zero"),
        ({"volume": "1e-13"}, "at most 12 decimals"),
        ({"volume": "nan"}, "above zero"),
        ({"notional": "1; DROP VIEW trades"}, "use a number above zero"),
        ({"notional": 10**18}, "above zero"),
        ({"every": "1ns"}, f"at most {BARS_LIMIT}"),
    ],
)
def test_what_makes_no_bars_is_refused(tape: Tape, asked: dict[str, Any], words: str) -> None:
    """One measure of a bar, exact and above zero, and not more bars than anyone can look at."""
    with pytest.raises(Misused, match=words):
        tape.bars(BTC, **asked)


@pytest.mark.parametrize("every", ["", "1", "0s", "-1s", "1.5s", "1 s", "1S", "1w", "' OR 1=1", "9" * 18 + "d", 0, -1])
def test_a_length_of_time_that_is_none_is_refused(tape: Tape, every: Any) -> None:
    """A whole number and its unit, nothing else; the message is one line."""
    for ask in (tape.bars, tape.quote_bars):
        with pytest.raises(DurationNotUnderstood, match="write a whole number above zero") as caught:
            ask(BTC, every=every)
        assert str(caught.value).isprintable()


def test_bars_of_what_is_not_there_are_errors(tape: Tape) -> None:
    """An unknown symbol and a window outside the tape are told from a window without trades."""
    for ask in (tape.bars, tape.quote_bars):
        with pytest.raises(UnknownSymbol):
            ask("read_text('/etc/passwd')")
        with pytest.raises(EmptyWindow):
            ask(BTC, 0, 1)
    assert told_of(tape.bars(BTC, ns(5), ns(6), ticks=1), "trades") == []


def run(root: Path, *arguments: str) -> Any:
    return CliRunner().invoke(bars_command, [str(root), "--symbol", BTC, *arguments])


def test_the_command_prints_exact_numbers(root: Path) -> None:
    """A table has what a person reads; CSV and JSON have all, prices and volumes to the last digit."""
    window = ("--from", "2026-11-22T11:55:02Z", "--to", "2026-11-22T11:55:03Z", "--every", "1s")

    titles, values = (line.split() for line in run(root, *window).stdout.splitlines())
    assert dict(zip(titles, values, strict=True)) == {
        "from_time": "2026-11-22T11:55:02.000000000Z",
        "state": "active",
        **dict.fromkeys(("open", "high", "low", "close", "vwap"), "28001.0"),
        "volume": "0.00096506",
        "trades": "1",
        "buys": "1",
        "sells": "0",
        "proven": "true",
    }
    row = json.loads(run(root, *window, "--format", "json").stdout)
    assert (row["volume"], row["volume_scaled"], row["notional_scaled"]) == (0.00096506, 96506, 27022645060)
    row = json.loads(run(root, "--quotes", *window, "--format", "json").stdout)
    assert (row["bid_open"], row["offer_close"], row["quotes"]) == (28000.0, 28013.0, 0)


def test_the_command_refuses_what_makes_no_sense(root: Path) -> None:
    """Misuse ends with 2 and a line that says what to do."""
    for arguments in (("--every", "1x"), ("--ticks", "1", "--every", "1s"), ("--quotes", "--ticks", "5")):
        result = run(root, *arguments)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
