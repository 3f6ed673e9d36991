"""Recorded days in the formats of others, each read back by a few lines of its own."""

import csv
import gzip
import io
import json
import struct
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import SECOND, T0, add, add_change, add_clear, add_snapshot

from capture.columns import NULL, Action, Columns, Flag, Side
from queries.errors import DoesNotFit, ManifestDamaged, Misused, PeerFailed
from queries.export.cli import export_command
from queries.export.names import safe_name
from queries.export.numbers import at_scale, exact_float
from queries.tape import Tape

BTC = "BTC/USD"
BID, OFFER = Side.BID, Side.OFFER
DAY_NS = 86_400 * SECOND
MIDNIGHT = T0 - T0 % DAY_NS + DAY_NS  # The first of the day after T0.
T0_US = T0 // 1000
MS_US = T0 // 10**6 * 1000


def tiny() -> Columns:
    """A snapshot, a change with a trade, a local cut, a delete, another snapshot."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 280030, 100000), (BID, 280000, 5), (OFFER, 280130, 7)])
    add(columns, "trades", receive_ns=T0 + 1000, msg_seq_num=2, entry_id="T,1", price=280130, size=3)
    add_change(columns, seq=2, at=T0 + 1000, side=OFFER, price=280130, size=4, action=Action.CHANGE)
    common = {"receive_ns": T0 + 2000, "msg_seq_num": 3}
    add(columns, "book_changes", side=OFFER, price=280140, size=9, action=Action.NEW, **common)
    cut = {"side": OFFER, "price": 280140, "size": 0, "action": Action.EVICT, "remaining_size": 9}
    add(columns, "book_changes", entry_index=-1, **cut, **common)
    add(columns, "messages", receive_ns=T0 + 2000, msg_seq_num=3)
    add_change(columns, seq=4, at=T0 + 3000, side=BID, price=280000, size=0, action=Action.DELETE)
    add_snapshot(columns, seq=5, at=T0 + 4000, levels=[(BID, 280020, 1), (OFFER, 280130, 8)])
    add(columns, "quotes", receive_ns=T0, msg_seq_num=1, offer_price=NULL, offer_size=NULL, offer_total=NULL)
    return columns


def export(tmp_path: Path, form: str, *batches: Columns, **options: object) -> tuple[Path, object]:
    """Export what batches hold of all symbols; return the directory and what was done."""
    with Tape(make_lake(tmp_path / "tape", *batches)) as tape:
        done = tape.export(form, tmp_path / "out", **options)
    return tmp_path / "out", done


def lines(directory: Path, pattern: str) -> list[str]:
    """The lines of the only file of a pattern, but the header."""
    (path,) = directory.glob(pattern)
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


def manifest(directory: Path) -> dict:
    """What a directory says of itself."""
    return json.loads((directory / "export.json").read_text())


def test_tardis_increments_read_as_their_documents_say(tmp_path):
    """Rows in microseconds set and remove levels; what is cut is an amount of 0, as is all before a snapshot."""
    directory, _ = export(tmp_path, "tardis-incremental", tiny())

    head, *rows = lines(directory, "kraken_incremental_book_L2_2026-11-22_BTC-USD.csv.gz")
    assert head == "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
    expected = [
        (0, "true", "bid", "28003.0", "0.00100000"),
        (0, "true", "bid", "28000.0", "0.00000005"),
        (0, "true", "ask", "28013.0", "0.00000007"),
        (1, "false", "ask", "28013.0", "0.00000004"),
        (2, "false", "ask", "28014.0", "0.00000009"),
        (2, "false", "ask", "28014.0", "0"),
        (3, "false", "bid", "28000.0", "0"),
        (4, "false", "bid", "28003.0", "0"),
        (4, "false", "ask", "28013.0", "0"),
        (4, "true", "bid", "28002.0", "0.00000001"),
        (4, "true", "ask", "28013.0", "0.00000008"),
    ]
    assert rows == [f"kraken,BTC/USD,{MS_US},{T0_US + at},{','.join(rest)}" for at, *rest in expected]


@pytest.mark.parametrize("heeds_snapshots", [True, False])
def test_either_way_of_following_tardis_increments_ends_at_the_book(heeds_snapshots, tmp_path):
    """A reader that forgets its book at a snapshot and one that only follows rows agree with the tape."""
    directory, _ = export(tmp_path, "tardis-incremental", tiny())
    book: dict[str, dict[str, str]] = {"bid": {}, "ask": {}}
    was_snapshot = False
    for row in csv.DictReader(lines(directory, "*.csv.gz")):
        is_snapshot = row["is_snapshot"] == "true"
        if heeds_snapshots and is_snapshot and not was_snapshot:
            book = {"bid": {}, "ask": {}}
        was_snapshot = is_snapshot
        if Decimal(row["amount"]):
            book[row["side"]][row["price"]] = row["amount"]
        else:
            book[row["side"]].pop(row["price"], None)

    with Tape(tmp_path / "tape") as tape:
        true = tape.book(BTC)
    assert book["bid"] == {str(price): f"{size:f}" for price, size in true.bids}
    assert book["ask"] == {str(price): f"{size:f}" for price, size in true.offers}


def test_tardis_snapshots_have_the_best_levels_of_both_sides(tmp_path):
    """A row a message that changed them, asks before bids, empty where there is none."""
    directory, done = export(tmp_path, "tardis-snapshot", tiny(), depth=2)

    head, *rows = lines(directory, "kraken_book_snapshot_2_2026-11-22_BTC-USD.csv.gz")
    assert head.split(",")[4:9] == [
        "asks[0].price",
        "asks[0].amount",
        "bids[0].price",
        "bids[0].amount",
        "asks[1].price",
    ]
    begin = "28013.0,0.00000007,28003.0,0.00100000,,,28000.0,0.00000005"
    assert rows[0] == f"kraken,BTC/USD,{MS_US},{T0_US},{begin}"
    assert [row.split(",", 4)[4] for row in rows[2:]] == [
        "28013.0,0.00000004,28003.0,0.00100000,,,,",
        ",,,,,,,",
        "28013.0,0.00000008,28002.0,0.00000001,,,,",
    ]
    assert done.rows == len(rows) == 5


def test_tardis_trades_and_quotes(tmp_path):
    """The taker's side, the venue's identifier as a cell; a quote without a side leaves it empty."""
    directory, _ = export(tmp_path, "tardis-trades", tiny())
    export(tmp_path, "tardis-quotes")

    assert lines(directory, "kraken_trades_*")[1:] == [
        f'kraken,BTC/USD,{MS_US},{T0_US + 1},"T,1",buy,28013.0,0.00000003'
    ]
    assert lines(directory, "kraken_quotes_*")[1:] == [f"kraken,BTC/USD,{MS_US},{T0_US},,,28003.0,0.00100000"]


def npz_events(path: Path) -> list[tuple]:
    """The events of an archive, read by hand."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read("data.npy")
    assert data[:8] == b"\x93NUMPY\x01\x00"
    length = struct.unpack("<H", data[8:10])[0]
    assert (length + 10) % 64 == 0
    return list(struct.iter_unpack("<QqqddQqd", data[10 + length :]))


def test_hftbacktest_events_are_ordered_and_exact(tmp_path):
    """Snapshot, depth, trade and clear events; no time runs back, none of the venue is after ours."""
    directory, done = export(tmp_path, "hftbacktest", tiny())

    events = npz_events(directory / "BTC-USD_20261122.npz")
    both, buy, sell = 3 << 30, 1 << 29, 1 << 28
    assert [(ev - both, px, qty) for ev, _, _, px, qty, *_ in events] == [
        (4 | buy, 28003.0, 0.001),
        (4 | buy, 28000.0, 5e-8),
        (4 | sell, 28013.0, 7e-8),
        (2 | buy, 28013.0, 3e-8),
        (1 | sell, 28013.0, 4e-8),
        (1 | sell, 28014.0, 9e-8),
        (1 | sell, 28014.0, 0.0),
        (1 | buy, 28000.0, 0.0),
        (3 | buy, 28003.0, 0.0),
        (3 | sell, 28013.0, 0.0),
        (4 | buy, 28002.0, 1e-8),
        (4 | sell, 28013.0, 8e-8),
    ]
    assert all(sent <= received for _, sent, received, *_ in events)
    for place in (1, 2):
        assert sorted(events, key=lambda it: it[place]) == events
    assert done.rows == len(events)


def test_hftbacktest_times_that_run_back_are_moved_and_told(tmp_path):
    """A venue time before the last one, or after ours, is moved no further than it must, and counted."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 1, 1)], sending_ms=T0 // 10**6 + 50)
    add_change(columns, seq=2, at=T0 + SECOND, side=BID, price=1, size=2, entry_ms=T0 // 10**6 - 7)

    directory, _ = export(tmp_path, "hftbacktest", columns)

    assert [it[1] for it in npz_events(directory / "BTC-USD_20261122.npz")] == [T0, T0]
    ((output),) = manifest(directory)["outputs"]
    assert output["notes"]["exch_ts_moved"] == 2
    assert output["notes"]["exch_ts_moved_ns_max"] == T0 // 10**6 * 10**6 + 50 * 10**6 - T0


def test_a_double_is_exact_or_refused():
    """Fifteen digits always have a double of their own; beyond that it is looked at."""
    assert exact_float(280130, 1) == 28013.0
    assert exact_float(999_999_999_999_999, 8) == 9999999.99999999
    assert exact_float(2**53, 0) == 2.0**53
    with pytest.raises(DoesNotFit, match="no double"):
        exact_float(9_007_199_254_740_993, 0)
    with pytest.raises(DoesNotFit):
        exact_float(123_456_789_012_345_678, 8)


def test_a_number_at_another_scale_is_exact_or_refused():
    """Nothing is rounded, nothing passes its limit."""
    assert at_scale(280130, 1, 4, limit=2**31, what="x") == 280130000
    assert at_scale(280130, 2, 1, limit=2**31, what="x") == 28013
    with pytest.raises(DoesNotFit):
        at_scale(280135, 2, 1, limit=2**31, what="x")
    with pytest.raises(DoesNotFit):
        at_scale(5, 0, 9, limit=2**32, what="x")


def test_parquet_is_what_the_lake_has(tmp_path):
    """The rows of the tables, with the columns as they are stored."""
    directory, _ = export(tmp_path, "parquet", tiny())

    rows = pq.read_table(directory / "book_changes_2026-11-22_BTC-USD.parquet").to_pylist()
    with Tape(tmp_path / "tape") as tape:
        stored = tape.cursor().sql("SELECT * FROM raw.book_changes").to_arrow_table().to_pylist()
    assert rows == stored
    assert {path.name.partition("_2026")[0] for path in directory.glob("*.parquet")} == {
        "book_changes",
        "trades",
        "quotes",
    }


def test_csv_has_exact_decimals_and_times(tmp_path):
    """No scale is left to apply, and an eviction is still told from a delete."""
    directory, _ = export(tmp_path, "csv", tiny())

    rows = list(csv.DictReader(lines(directory, "book_changes_2026-11-22_BTC-USD.csv")))
    assert "price_scale" not in rows[0]
    assert (rows[0]["receive_time"], rows[0]["price"], rows[0]["size"]) == (
        "2026-11-22T11:55:00.123456789Z",
        "28003.0",
        "0.00100000",
    )
    assert [(row["action"], row["size"], row["remaining_size"]) for row in rows[5:7]] == [
        ("evict", "0.00000000", "0.00000009"),
        ("delete", "0.00000000", ""),
    ]


def two_days(*events: tuple[str, int]) -> Columns:
    """A book that stands at midnight, with events of its session, and a change after it."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=MIDNIGHT - SECOND, levels=[(BID, 100, 1), (OFFER, 110, 2)])
    for kind, at in events:
        add(columns, "events", kind=kind, receive_ns=at, symbol=None)
    add_change(columns, seq=9, at=MIDNIGHT + SECOND, side=BID, price=100, size=3, action=Action.CHANGE)
    return columns


def test_a_day_begins_with_the_book_as_it_stood(tmp_path):
    """Each day's file is read by itself: its first rows are a snapshot at midnight."""
    directory, _ = export(tmp_path, "tardis-incremental", two_days())

    _, *rows = lines(directory, "*2026-11-23*")
    assert [row.split(",")[3:] for row in rows[:2]] == [
        [str(MIDNIGHT // 1000), "true", "bid", "10.0", "0.00000001"],
        [str(MIDNIGHT // 1000), "true", "ask", "11.0", "0.00000002"],
    ]
    assert len(rows) == 3


@pytest.mark.parametrize("kind", ["disconnect", "suspect", "rollover"])
def test_a_book_in_doubt_opens_no_day(kind, tmp_path):
    """What ended or was doubted before midnight is no snapshot of the new day, and what follows it is left out."""
    directory, _ = export(tmp_path, "tardis-incremental", two_days((kind, MIDNIGHT - 1)))

    assert lines(directory, "*2026-11-23*")[1:] == []
    output = manifest(directory)["outputs"][1]
    assert (output["rows"], output["notes"]) == (0, {"rows_without_a_book": 1})


def test_a_book_made_good_again_opens_the_day(tmp_path):
    """A doubt that was lifted before midnight is none."""
    doubted = two_days(("suspect", MIDNIGHT - 2), ("healed", MIDNIGHT - 1))

    directory, _ = export(tmp_path, "tardis-incremental", doubted)

    assert len(lines(directory, "*2026-11-23*")[1:]) == 3


def test_a_session_that_is_over_takes_its_book_with_it(tmp_path):
    """The levels of one session are removed when another is heard of, and rows before its snapshot are of no book."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1)])
    add_change(columns, seq=1, at=T0 + 1000, side=BID, price=99, session_id="S2")
    add_clear(columns, seq=2, at=T0 + 2000, session_id="S2")
    add_change(columns, seq=3, at=T0 + 3000, side=BID, price=98, size=6, session_id="S2")

    directory, _ = export(tmp_path, "tardis-incremental", columns)

    assert [row.split(",", 4)[4] for row in lines(directory, "*.csv.gz")[1:]] == [
        "true,bid,10.0,0.00000001",
        "false,bid,10.0,0",
        "false,bid,9.8,0.00000006",
    ]
    assert manifest(directory)["outputs"][0]["notes"] == {"rows_without_a_book": 1}


def test_a_finer_scale_within_a_book_changes_no_number(tmp_path):
    """The venue may write more decimals at any time: 10.0 and 10.00 are one level."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1)])
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=1000, price_scale=2, size=0, action=Action.DELETE)
    add_change(columns, seq=3, at=T0 + 2, side=BID, price=99, size=4)

    directory, _ = export(tmp_path, "tardis-incremental", columns)

    assert [row.split(",")[5:] for row in lines(directory, "*.csv.gz")[2:]] == [
        ["bid", "10.00", "0"],
        ["bid", "9.90", "0.00000004"],
    ]


def test_holes_are_in_the_manifest(tmp_path):
    """Events that tell of a hole are named with their times, and so are lake versions and digests."""
    directory, _ = export(tmp_path, "tardis-incremental", two_days(("suspect", MIDNIGHT - 1)))

    first, second = manifest(directory)["outputs"]
    assert ("suspect", "2026-11-22T23:59:59.999999999Z") in {(it["kind"], it["from_time"]) for it in first["holes"]}
    assert (first["date"], second["date"], first["lake"]["book_changes"]) == ("2026-11-22", "2026-11-23", 1)
    assert [part["name"] for part in first["files"]] == ["kraken_incremental_book_L2_2026-11-22_BTC-USD.csv.gz"]


def test_what_is_whole_is_not_written_again(tmp_path):
    """A second run skips; a damaged file, a later batch or force write again, the same bytes from the same rows."""
    directory, _ = export(tmp_path, "tardis-incremental", tiny())
    (path,) = directory.glob("*.csv.gz")
    before, told = path.read_bytes(), (directory / "export.json").read_bytes()

    _, again = export(tmp_path, "tardis-incremental")
    assert (len(again.written), again.skipped) == (0, 1)

    path.write_bytes(before[:-1] + b"x")
    _, again = export(tmp_path, "tardis-incremental")
    assert (len(again.written), path.read_bytes()) == (1, before)

    _, again = export(tmp_path, "tardis-incremental", force=True)
    assert (len(again.written), path.read_bytes()) == (1, before)
    assert (directory / "export.json").read_bytes() == told

    later = Columns()
    add_change(later, seq=6, at=T0 + 5000, side=BID, price=280020, size=2)
    _, again = export(tmp_path, "tardis-incremental", later)
    assert len(again.written) == 1
    assert path.read_bytes() != before


def test_nothing_is_left_of_an_output_that_is_refused(tmp_path):
    """A number that no double has: the day is named, others are written, no file and no temporary stays."""
    columns = tiny()
    add_snapshot(columns, seq=9, at=T0, levels=[(BID, 9_007_199_254_740_993, 1)], symbol="BIG/USD", price_scale=0)

    directory, done = export(tmp_path, "hftbacktest", columns)

    assert list(done.refused) == [("BIG/USD", "2026-11-22")]
    assert "9007199254740993e-0 does not fit" in done.refused["BIG/USD", "2026-11-22"]
    assert {path.name for path in directory.iterdir()} == {"BTC-USD_20261122.npz", "export.json"}


HOSTILE = ("../../x", "..", "a\nb", "btc/usd", "BTC-USD", "A/B/C", "x" * 300, "é☃", "", "CON/", 'say "x",')


def test_hostile_symbols_stay_in_the_directory(tmp_path):
    """No text of the venue gets into a path; the manifest says which file is whose, and a cell is one cell."""
    columns = tiny()
    for seq, symbol in enumerate(HOSTILE, 10):
        add_snapshot(columns, seq=seq, at=T0, levels=[(BID, 100, 1)], symbol=symbol)

    directory, done = export(tmp_path, "tardis-incremental", columns)

    assert len(done.written) == len(HOSTILE) + 1
    assert {path.parent for path in tmp_path.rglob("*.csv.gz")} == {directory}
    assert manifest(directory)["names"] == {symbol: safe_name(symbol) for symbol in HOSTILE}
    for output in done.written:
        with gzip.open(directory / output.files[0].name, "rt", newline="") as file:
            assert {len(row) for row in csv.reader(io.StringIO(file.read()))} == {8}


def test_names_of_symbols_never_meet():
    """Also where a file system does not tell case apart."""
    names = [safe_name(symbol).casefold() for symbol in (*HOSTILE, BTC)]

    assert len(set(names)) == len(names)
    assert safe_name(BTC) == "BTC-USD"
    assert all(len(name) <= 41 for name in names)


def test_level_3_is_refused_where_books_are_exported(tmp_path):
    """A tape of orders has no rows of levels; plain formats have its own."""
    columns = Columns()
    add(columns, "order_changes")
    add(columns, "messages")

    _, done = export(tmp_path, "tardis-incremental", columns)
    directory, plain = export(tmp_path, "csv")

    assert "Level 3" in done.refused[BTC, "2026-11-22"]
    assert plain.rows == 1
    assert list(directory.glob("order_changes_*.csv"))


def test_misuse_is_told(tmp_path):
    """A depth where there is none, one beyond the limit, and a directory inside the tape."""
    root = make_lake(tmp_path / "tape", tiny())
    with Tape(root) as tape:
        with pytest.raises(Misused, match="has no depth"):
            tape.export("tardis-trades", tmp_path / "out", depth=5)
        with pytest.raises(Misused, match="use 1 to 1000"):
            tape.export("tardis-snapshot", tmp_path / "out", depth=1001)
        with pytest.raises(Misused, match="lies in the tape"):
            tape.export("tardis-trades", root / "out")
        with pytest.raises(Misused, match="use one of"):
            tape.export("xml", tmp_path / "out")


def test_a_strange_manifest_is_not_overwritten(tmp_path):
    """What is not ours stays as it is."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "export.json").write_text("{}")

    with pytest.raises(ManifestDamaged, match=r"export\.json"):
        export(tmp_path, "csv", tiny())

    assert (tmp_path / "out" / "export.json").read_text() == "{}"


def test_the_command_prints_files_and_ends_with_1_where_it_refused(tmp_path):
    """Names to standard output, words to standard error."""
    columns = tiny()
    add_snapshot(columns, seq=9, at=T0, levels=[(BID, 9_007_199_254_740_993, 1)], symbol="BIG/USD", price_scale=0)
    root = make_lake(tmp_path / "tape", columns)
    arguments = [str(root), "--format", "hftbacktest", "--output", str(tmp_path / "out")]

    good = CliRunner().invoke(export_command, [*arguments, "--symbol", BTC])
    refused = CliRunner().invoke(export_command, [*arguments, "--symbol", "all"])

    assert (good.exit_code, good.stdout) == (0, "BTC-USD_20261122.npz\n")
    assert "1 written, 12 rows; 0 there already; 0 refused" in good.stderr
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "fixtape: BIG/USD 2026-11-22: 9007199254740993e-0 does not fit" in refused.stderr


def test_lobster_lines_pair_a_change_with_the_book_after_it(tmp_path):
    """Differences of levels, trades that leave the book alone, a halt where it is begun anew; prices times 10000."""
    directory, done = export(tmp_path, "lobster", tiny(), depth=2)

    (messages,) = directory.glob("BTC-USD_2026-11-22_0_86400000_message_2.csv")
    (books,) = directory.glob("BTC-USD_2026-11-22_0_86400000_orderbook_2.csv")
    ask, bid, no_ask, no_bid = "280130000,{}", "280030000,0.00100000", "9999999999,0", "-9999999999,0"
    seven, four, eight = (ask.format(f"0.0000000{size}") for size in (7, 4, 8))
    low, top, nine = "280000000,0.00000005", "280020000,0.00000001", "280140000,0.00000009"
    expected = [
        ("456789,1,0,0.00100000,280030000,1", f"{no_ask},{bid},{no_ask},{no_bid}"),
        ("456789,1,0,0.00000005,280000000,1", f"{no_ask},{bid},{no_ask},{low}"),
        ("456789,1,0,0.00000007,280130000,-1", f"{seven},{bid},{no_ask},{low}"),
        ("457789,5,0,0.00000003,280130000,-1", f"{seven},{bid},{no_ask},{low}"),
        ("457789,2,0,0.00000003,280130000,-1", f"{four},{bid},{no_ask},{low}"),
        ("458789,1,0,0.00000009,280140000,-1", f"{four},{bid},{nine},{low}"),
        ("458789,3,0,0.00000009,280140000,-1", f"{four},{bid},{no_ask},{low}"),
        ("459789,3,0,0.00000005,280000000,1", f"{four},{bid},{no_ask},{no_bid}"),
        ("460789,7,0,0,-1,-1", f"{four},{bid},{no_ask},{no_bid}"),
        ("460789,3,0,0.00100000,280030000,1", f"{four},{no_bid},{no_ask},{no_bid}"),
        ("460789,3,0,0.00000004,280130000,-1", f"{no_ask},{no_bid},{no_ask},{no_bid}"),
        ("460789,1,0,0.00000001,280020000,1", f"{no_ask},{top},{no_ask},{no_bid}"),
        ("460789,1,0,0.00000008,280130000,-1", f"{eight},{top},{no_ask},{no_bid}"),
        ("460789,7,0,0,1,-1", f"{eight},{top},{no_ask},{no_bid}"),
    ]
    assert messages.read_text().splitlines() == [f"42900.123{message}" for message, _ in expected]
    assert books.read_text().splitlines() == [book for _, book in expected]
    assert done.rows == len(expected)


def test_lobster_refuses_prices_that_it_cannot_hold(tmp_path):
    """A fifth decimal, or a price that would be an empty level's."""
    columns = Columns()
    for symbol, price, scale in (("FINE/USD", 100001, 5), ("HIGH/JPY", 1_000_000, 0), ("GOOD/USD", 999_999, 0)):
        add_snapshot(columns, seq=1, at=T0, levels=[(BID, price, 1)], symbol=symbol, price_scale=scale)

    _, done = export(tmp_path, "lobster", columns)

    assert [symbol for symbol, _ in done.refused] == ["FINE/USD", "HIGH/JPY"]
    assert "1/10000" in done.refused["FINE/USD", "2026-11-22"]


def dbn_records(path: Path) -> tuple[bytes, list[tuple]]:
    """Metadata and records of a file, read by hand: head fields, then the levels of ten places."""
    data = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    assert data[:4] == b"DBN\x02"
    length = struct.unpack("<I", data[4:8])[0]
    records = struct.iter_unpack("<BBHIQqIccBBQiI" + "qqIIII" * 10, data[8 + length :])
    return data[8 : 8 + length], list(records)


def test_dbn_records_have_the_ten_best_levels_after_each_change(tmp_path):
    """Clear, snapshot, modification, trade, addition, cancellation; the last of a message is flagged."""
    directory, done = export(tmp_path, "dbn", tiny())

    metadata, records = dbn_records(directory / "kraken-20261122.mbp-10.BTC-USD.dbn.zst")
    assert metadata[:11] == b"KRAKEN.FIX\0"
    assert len(metadata) == 100 + 8 + 71 + 8 + 4 + 71 + 4 + 8 + 71
    undefined = 2**63 - 1
    assert [(it[7] + it[8], it[5], it[6], it[9], it[10]) for it in records] == [
        (b"RN", undefined, 0, 48, 0),
        (b"AB", 28003 * 10**9, 100000, 48, 0),
        (b"AB", 28000 * 10**9, 5, 48, 1),
        (b"AA", 28013 * 10**9, 7, 176, 0),
        (b"TB", 28013 * 10**9, 3, 144, 0),
        (b"MA", 28013 * 10**9, 4, 144, 0),
        (b"AA", 28014 * 10**9, 9, 16, 1),
        (b"CA", 28014 * 10**9, 9, 144, 1),
        (b"CB", 28000 * 10**9, 5, 144, 1),
        (b"RN", undefined, 0, 144, 0),
        (b"RN", undefined, 0, 48, 0),
        (b"AB", 28002 * 10**9, 1, 48, 0),
        (b"AA", 28013 * 10**9, 8, 176, 0),
    ]
    assert records[-1][14:26] == (28002 * 10**9, 28013 * 10**9, 1, 8, 0, 0, undefined, undefined, 0, 0, 0, 0)
    assert {(it[0], it[1], it[11] - T0) for it in records[-2:]} == {(92, 10, 4000)}
    ((output),) = manifest(directory)["outputs"]
    assert output["notes"]["size_decimals"] == 8
    assert done.rows == len(records)


def test_dbn_says_of_a_doubted_book_that_it_may_be_bad(tmp_path):
    """What came while the book was suspect bears F_MAYBE_BAD_BOOK."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1)])
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=100, size=2, flags=Flag.SUSPECT_BOOK | Flag.LAST_ENTRY)

    directory, _ = export(tmp_path, "dbn", columns)

    assert dbn_records(next(directory.glob("*.dbn.zst")))[1][-1][9] == 128 | 16 | 4


def test_dbn_refuses_what_does_not_fit(tmp_path):
    """A size beyond 32 bits, a tenth decimal, a size finer than the day's first."""
    columns = Columns()
    levels = {"BIG/USD": (1, 2**32 - 1, {}), "FINE/USD": (1, 1, {"price_scale": 10}), "GOOD/USD": (1, 2**32 - 2, {})}
    for symbol, (price, size, scales) in levels.items():
        add_snapshot(columns, seq=1, at=T0, levels=[(BID, price, size)], symbol=symbol, **scales)
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 1, 1)], symbol="MORE/USD", size_scale=3)
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=2, size=11, size_scale=4, symbol="MORE/USD")

    _, done = export(tmp_path, "dbn", columns)

    assert {symbol: reason.partition(" does")[0] for (symbol, _), reason in done.refused.items()} == {
        "BIG/USD": "4294967295e-8",
        "FINE/USD": "1e-10",
        "MORE/USD": "11e-4",
    }


def test_nautilus_needs_a_python_that_has_it(tmp_path, monkeypatch):
    """Without one it is a misuse; with one that lacks the library its last line says so, and nothing is left."""
    monkeypatch.delenv("FIXTAPE_NAUTILUS_PYTHON", raising=False)
    with pytest.raises(Misused, match="--python"):
        export(tmp_path, "nautilus", tiny())
    with pytest.raises(PeerFailed, match="No module named 'nautilus_trader'"):
        export(tmp_path, "nautilus", python=sys.executable)
    with pytest.raises(Misused, match="needs no Python"):
        export(tmp_path, "csv", python=sys.executable)

    assert list((tmp_path / "out").iterdir()) == []
