"""Columns to Arrow tables: types, nulls, order, dates."""

import pyarrow as pa
from lake_rows import SECOND, T0, add

from capture.columns import NO_SIDE, NULL, Action, Columns, Side, Verdict
from storage.batches import DAY_NS, dated_tables
from storage.schemas import SCHEMAS, TABLES


def rows_of(columns: Columns, table: str) -> list[dict[str, object]]:
    return [row for _, part in dated_tables(columns.tables()[table], columns.names) for row in part.to_pylist()]


def test_no_rows_make_no_table() -> None:
    """A table without rows yields nothing, so no file."""
    assert rows_of(Columns(), "trades") == []


def test_codes_become_the_names_of_the_standard() -> None:
    """Side, action and verdict read as words, and a clear has neither side nor price."""
    columns = Columns()
    for seq, action in enumerate(Action):
        add(columns, "book_changes", msg_seq_num=seq, action=action, side=Side.OFFER)
    add(columns, "book_changes", msg_seq_num=9, action=Action.CLEAR, side=NO_SIDE, price=NULL, size=NULL)
    add(columns, "messages", verdict=Verdict.MISMATCH)

    rows = rows_of(columns, "book_changes")

    assert [row["action"] for row in rows] == ["snapshot", "new", "change", "delete", "evict", "clear", "clear"]
    assert [row["side"] for row in rows] == ["offer"] * 6 + [None]
    assert (rows[-1]["price"], rows[-1]["size"], rows[-1]["price_scale"]) == (None, None, 1)
    assert rows_of(columns, "messages")[0]["verdict"] == "mismatch"


def test_the_sentinel_is_null_and_its_neighbours_are_values() -> None:
    """Only NULL itself reads as null; the lowest and highest other int64 survive."""
    columns = Columns()
    extremes = [NULL, NULL + 1, -1, 0, 2**63 - 1]
    for value in extremes:
        add(columns, "book_changes", entry_ms=value)

    assert [row["entry_ms"] for row in rows_of(columns, "book_changes")] == [None, *extremes[1:]]


def test_rows_are_sorted_by_symbol_then_arrival() -> None:
    """Symbols in order, null last; within one, by receive_ns; within one receive_ns, as appended."""
    columns = Columns()
    for seq, (symbol, at) in enumerate([("ETH", 5), (None, 1), ("BTC", 9), ("ETH", 5), ("BTC", 3), ("ETH", 4)]):
        add(columns, "messages", symbol=symbol, receive_ns=T0 + at, msg_seq_num=seq)

    found = [(row["symbol"], row["msg_seq_num"]) for row in rows_of(columns, "messages")]

    assert found == [("BTC", 4), ("BTC", 2), ("ETH", 5), ("ETH", 0), ("ETH", 3), (None, 1)]


def test_rows_are_dated_by_receive_time_in_utc() -> None:
    """A batch over midnight gives one table a date, each row in one of them."""
    columns = Columns()
    midnight = (T0 // DAY_NS + 1) * DAY_NS
    for seq, at in enumerate((midnight - 1, midnight, midnight + SECOND)):
        add(columns, "trades", receive_ns=at, msg_seq_num=seq)

    parts = {day: part["msg_seq_num"].to_pylist() for day, part in dated_tables(columns.trades, columns.names)}

    assert parts == {"2026-11-22": [0], "2026-11-23": [1, 2]}


def test_dictionaries_hold_just_the_names_in_use() -> None:
    """What else a batch held does not show in a table, so it cannot change a file."""
    columns = Columns()
    for symbol in ("ZRX/USD", "ADA/USD", "BTC/USD"):
        add(columns, "messages", symbol=symbol)
    add(columns, "trades", symbol="BTC/USD")

    ((_, table),) = dated_tables(columns.trades, columns.names)

    assert table["symbol"].combine_chunks().dictionary.to_pylist() == ["BTC/USD"]


def test_many_names_and_few_are_told_apart() -> None:
    """A dictionary is as sorted, and a name that no row has is as absent, whether it has few names or many."""
    for count in (3, 30):
        columns = Columns()
        for place in range(count):
            add(columns, "messages", symbol=f"S{count - place:02}/USD")
            add(columns, "trades", symbol=f"S{count - place:02}/USD" if place not in (1, count - 2) else None)

        ((_, table),) = dated_tables(columns.trades, columns.names)

        used = [f"S{number:02}/USD" for number in range(1, count + 1) if number not in (2, count - 1)]
        assert table["symbol"].combine_chunks().dictionary.to_pylist() == used
        assert table["symbol"].to_pylist()[: len(used)] == used
        assert table["symbol"].null_count == len({1, count - 2})


def test_integers_keep_their_width() -> None:
    """The Arrow types are those of the schema once dictionaries are read as strings."""
    columns = Columns()
    for table in TABLES:
        add(columns, table)

    for table, schema in ((table, SCHEMAS[table]) for table in TABLES):
        ((_, rows),) = dated_tables(columns.tables()[table], columns.names)
        plain = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in rows.schema]
        assert plain == schema.types
