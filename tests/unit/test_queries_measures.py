"""Measures: null with a reason over holes, an error under strict; the formulas as functions of SQL."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import add, add_snapshot
from told import Told, ns

from capture.columns import Side
from queries.engine import MACROS
from queries.errors import DurationNotUnderstood, HoleInWindow, Misused, UnknownSymbol
from queries.measures import NAMES, Options
from queries.measures_cli import measures_command
from queries.tape import Tape

BTC = "BTC/USD"
DOCS = Path(__file__).parents[2] / "docs" / "measures.md"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with one quote and one trade, all known from second 1 to 30, and nothing after."""
    told = Told().open(0.0).event(0.5, "snapshot", 2, symbol=BTC)
    add_snapshot(told.columns, seq=2, at=ns(0.5), levels=[(Side.BID, 280000, 5), (Side.OFFER, 280020, 5)])
    told.message(2.0, 3).message(12.0, 4).event(30.9, "heartbeat", 5).event(45.0, "disconnect")
    add(told.columns, "quotes", receive_ns=ns(2), msg_seq_num=3, bid_price=280000, offer_price=280020)
    add(told.columns, "trades", receive_ns=ns(12), msg_seq_num=4, price=280020)
    return make_lake(tmp_path_factory.mktemp("tape"), told.columns)


@pytest.fixture(scope="module")
def tape(root: Path) -> Any:
    with Tape(root) as tape:
        yield tape


def test_over_a_hole_there_is_no_measure_but_a_reason(tape: Tape) -> None:
    """All measures of an interval that is not wholly known are null; what is known of the others stands."""
    names = ("spread", "quote_count", "latency_max_ms", "bid_depth")
    found = tape.measures(BTC, ns(10), ns(50), every="10s", names=names)

    assert found.columns == ["from_time", "to_time", "symbol", "state", "reason", *names, "from_ns", "to_ns"]
    rows = found.project(", ".join(("state", "reason", *names))).fetchall()
    assert rows[0][:4] == ("active", None, 2.0, 0)
    assert rows[1][:4] == ("quiet", None, 2.0, 0)
    assert rows[2:] == [("unknown", f"{seconds} s of it unknown", None, None, None, None) for seconds in (10, 10)]


def test_a_horizon_needs_to_be_known_too(tape: Tape) -> None:
    """What a trade kept some time later is known only if that time is; the reason is told where it is asked for."""
    late = Options(horizon="20s")
    for names, reason in (
        (("effective_spread", "realised_spread"), "3 s of the horizon"),
        (("effective_spread",), None),
    ):
        row = tape.measures(BTC, ns(12), ns(13), every="1s", names=names, options=late).fetchall()[0]
        assert (row[4] or "").startswith(reason or "")
        assert row[4] is None or reason
        assert row[5] == 2.0
        assert len(names) == 1 or row[6] is None
    assert tape.measures(BTC, ns(12), ns(13), every="1s", names=["realised_spread"]).fetchall()[0][5] == 2.0


def test_strict_refuses_a_hole(tape: Tape) -> None:
    """It names the first one; a window without any is answered."""
    with pytest.raises(HoleInWindow, match=r"at 2026-11-22T11:55:30.000000000Z 10 s of it unknown"):
        tape.measures(BTC, ns(10), ns(50), every="10s", names=["spread"], strict=True)
    assert tape.measures(BTC, ns(10), ns(20), every="10s", names=["spread"], strict=True).fetchall()[0][5] == 2.0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"names": ["nope"]}, "nope asked for; use some of spread"),
        ({"names": ["read_text('/etc/passwd')"]}, "use some of"),
        ({"names": []}, "none asked for"),
        ({"options": Options(levels=0)}, "levels is 0"),
        ({"options": Options(levels=50, depth=10)}, "more than the depth"),
        ({"options": Options(depth=10**6)}, "depth is 1000000"),
        ({"options": Options(size="0")}, "above zero"),
        ({"options": Options(size=0.5)}, "which are exact"),  # type: ignore[arg-type]
        ({"every": "1ns"}, "at most"),
    ],
)
def test_what_cannot_be_measured_is_refused(tape: Tape, asked: dict[str, Any], words: str) -> None:
    """Names are from a fixed list, and numbers within bounds."""
    with pytest.raises(Misused, match=words):
        tape.measures(BTC, **asked)


def test_errors_are_those_of_every_question(tape: Tape) -> None:
    """Symbols and lengths of time are checked as elsewhere."""
    with pytest.raises(UnknownSymbol):
        tape.measures("' OR 1=1 --")
    with pytest.raises(DurationNotUnderstood):
        tape.measures(BTC, options=Options(horizon="soon"))


BIDS, OFFERS = "[100, 90]", "[110, 120]"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("mid(100, 110)", 105.0),
        ("spread_bps(100, 110)", 10 / 105 * 10_000),
        ("microprice(100, 1, 110, 3)", 102.5),
        ("imbalance(1, 3)", -0.5),
        ("imbalance(0, 0)", None),
        ("imbalance_of_levels([1, 2, 9], [3, 4, 9], 2)", -0.4),
        ("order_flow(100, 2, 110, 3, 100, 5, 110, 1)", 5),
        ("order_flow(100, 2, 110, 3, 101, 5, 111, 1)", 8),
        ("order_flow(100, 2, 110, 3, 99, 5, 109, 1)", -3),
        ("order_flow(NULL, NULL, 110, 3, 99, 5, 109, 1)", -1),
        ("effective_spread(110, 105, 'buy')", 10),
        ("effective_spread(110, 105, 'sell')", -10),
        ("effective_spread(110, 105, NULL)", None),
        (f"depth_within({BIDS}, [1, 2], 100, 1000)", 3),
        (f"depth_within({BIDS}, [1, 2], 100, 999)", 1),
        (f"depth_within({BIDS}, [1, 2], NULL, 999)", None),
        ("depth_within([100, NULL], [1, NULL], 100, 999)", 1),
        (f"sweep_price({OFFERS}, [1, 3], 2)", 115.0),
        (f"sweep_price({OFFERS}, [1, 3], 4)", 117.5),
        (f"sweep_price({OFFERS}, [1, 3], 5)", None),
    ],
)
def test_formulas_are_functions_of_sql(tape: Tape, expression: str, value: float | None) -> None:
    """In `Tape.sql` and, by the script, in any DuckDB; of numbers, in the unit of the arguments."""
    query = f"SELECT {expression}"
    with duckdb.connect() as plain:
        plain.execute(tape.init_script())
        for ask in (tape.sql, plain.sql):
            assert ask(query).fetchall()[0][0] == (None if value is None else pytest.approx(value))


def test_lambda_is_a_slope(tape: Tape) -> None:
    """An aggregate: null where all trades have one volume."""
    query = "SELECT kyle_lambda(y, x) FROM (VALUES {}) AS t(x, y)"
    assert tape.sql(query.format("(1, 3), (2, 5), (-1, -1)")).fetchall() == [(2.0,)]
    assert tape.sql(query.format("(1, 3), (1, 5)")).fetchall() == [(None,)]


def test_every_measure_and_function_is_documented() -> None:
    """Each name stands in docs/measures.md, and nothing else is said to be one."""
    told = set(re.findall(r"^\| `(\w+)", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    functions = {name.removeprefix("macro_") for name in MACROS}

    assert told == {*NAMES, *functions}


def run(root: Path, *arguments: str) -> Any:
    return CliRunner().invoke(measures_command, [str(root), "--symbol", BTC, *arguments])


def test_the_command_prints_what_was_asked_for(root: Path) -> None:
    """A column each; strict ends with 3 and a line that names the hole."""
    window = ("--from", "2026-11-22T11:55:10Z", "--to", "2026-11-22T11:55:40Z", "--every", "10s", "--name", "spread")

    lines = run(root, *window).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "from_time",
        *(f"2026-11-22T11:55:{second}.000000000Z" for second in (10, 20, 30)),
    ]
    assert lines[1].split()[1:] == ["active", "2.0"]
    assert lines[3].split(maxsplit=2)[2] == "10 s of it unknown"
    strict = run(root, *window, "--strict")
    assert (strict.exit_code, strict.stdout, strict.stderr.count("\n")) == (3, "", 1)
    assert run(root, "--name", "nope").exit_code == 2
