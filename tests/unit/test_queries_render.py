"""What is printed: exact, aligned, and nothing that a terminal would obey."""

import csv
import io
import json
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from queries.render import TABLE_ROWS, Format, emit
from queries.text import number_text, shown

HOSTILE = "\x1b[31mred\x1b[0m\nnext\r\x07\u202eabc\u2028"


def printed(rows: object, form: Format, **options: object) -> str:
    out = io.StringIO()
    emit(rows, form, file=out, **options)  # type: ignore[arg-type]
    return out.getvalue()


def priced() -> pa.Table:
    return pa.table(
        {
            "price": [4.8e-07, 28013.0, None],
            "price_scaled": pa.array([48, 280130, None], pa.int64()),
            "price_scale": pa.array([8, 1, 1], pa.int8()),
            "size": [0.1, 1234567890.1234567, 0.0],
            "size_scaled": pa.array([10000000, 123456789012345678, 0], pa.int64()),
            "size_scale": pa.array([8, 8, 8], pa.int8()),
        }
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.8e-07, "0.00000048"),
        (1e22, "10000000000000000000000"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("4.8E-7"), "0.00000048"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_numbers_have_no_exponent(value: float | Decimal, text: str) -> None:
    """Whatever its size, a number is written out."""
    assert number_text(value) == text


def test_scaled_numbers_are_printed_from_their_integers() -> None:
    """Eighteen digits come out as eighteen digits, with the decimals that the venue writes."""
    rows = list(csv.DictReader(io.StringIO(printed(priced(), "csv"))))

    assert [row["price"] for row in rows] == ["0.00000048", "28013.0", ""]
    assert [row["size"] for row in rows] == ["0.10000000", "1234567890.12345678", "0.00000000"]


def test_json_is_one_object_a_line() -> None:
    """Numbers are numbers, written out; null is null."""
    lines = printed(priced(), "json").splitlines()

    assert len(lines) == 3
    assert lines[0].startswith('{"price": 0.00000048, "price_scaled": 48, ')
    assert json.loads(lines[1], parse_float=Decimal)["size"] == Decimal("1234567890.12345678")
    assert json.loads(lines[2])["price"] is None


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_text_of_others_stays_on_its_line(form: Format) -> None:
    """Escapes, newlines and marks that turn the direction of writing come out as escapes, in names too."""
    text = printed(pa.table({f"a{HOSTILE}": [HOSTILE]}), form)

    assert all(char.isprintable() or char == "\n" for char in text)
    assert text.count("\n") == (1 if form == "json" else 2)


def test_plain_text_is_left_as_it_is() -> None:
    """Only what cannot be printed is escaped."""
    assert shown("BTC/USD é ☃") == "BTC/USD é ☃"
    assert shown("a\nb\x1b") == r"a\nb\x1b"


def test_a_table_is_aligned() -> None:
    """Numbers to the right, text to the left, no space at the end of a line."""
    table = pa.table({"side": ["bid", "offer"], "size": [5, 12345], "text": ["x", None]})

    assert printed(table, "table") == "side    size  text\nbid        5  x\noffer  12345\n"


def test_a_table_shows_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns by name in the order they stand; a limit, and a word to standard error when there is more."""
    text = printed(priced(), "table", columns=("price", "size", "gone"), limit=2)

    assert text == "     price                 size\n0.00000048           0.10000000\n   28013.0  1234567890.12345678\n"
    assert capsys.readouterr().err == "the first 2 rows; --limit 0 for all\n"


def test_a_table_stops_where_a_person_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a limit a table has its default, the others have all."""
    many = pa.table({"n": list(range(TABLE_ROWS + 1))})

    assert printed(many, "table").count("\n") == TABLE_ROWS + 1
    assert printed(many, "csv").count("\n") == TABLE_ROWS + 2
    assert printed(many, "json", limit=3).count("\n") == 3
    capsys.readouterr()
    assert printed(many, "table", limit=0).count("\n") == TABLE_ROWS + 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_every_type_of_duckdb_prints(form: Format) -> None:
    """Times are UTC to the nanosecond, also inside lists; nothing fails for want of another library."""
    relation = duckdb.connect().sql(
        "SELECT make_timestamp_ns(1795348500123456789) AS t, TIMESTAMP '2026-01-01 00:00:00.5' AS u,"
        " TIMESTAMPTZ '2026-01-01 00:00:00+00' AS z, DATE '2026-01-01' AS d, TIME '01:02:03' AS c,"
        " INTERVAL 5 SECONDS AS i, 1.10::DECIMAL(10, 2) AS m, 'NaN'::DOUBLE AS n, true AS b, 'x'::BLOB AS x,"
        " [1, 2] AS l, {'k': 'v'} AS s, NULL AS o, 170141183460469231731687303715884105727::HUGEINT AS h,"
        " [make_timestamp_ns(1795348500123456789)] AS lt, 1 AS a, 2 AS a, uuid() AS g, MAP {'k': 1} AS mp"
    )

    text = printed(relation, form)

    assert "2026-11-22T11:55:00.123456789Z" in text
    assert "2026-01-01T00:00:00.500000000Z" in text
    assert "1.10" in text
    assert ('"n": "NaN"' if form == "json" else "NaN") in text


def test_no_rows_still_have_a_head() -> None:
    """An empty answer shows its columns, and no JSON."""
    empty = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})

    assert [printed(empty, form) for form in ("table", "csv", "json")] == ["a  b\n", "a,b\n", ""]


def test_a_terminal_gets_a_table_with_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the cells are the same, none folded or cut in a small window; nothing is taken for markup."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    emit(pa.table({"text": ["[red]x[/red] :smile: longer"], "n": [5], "m": ["y"]}), "table", file=out)

    assert out.getvalue().splitlines()[1].rstrip() == "[red]x[/red] :smile: longer  5  y"
