"""The tape: views, windows, what is refused."""

import re
import threading
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from lake_maker import make_lake
from lake_rows import SECOND, T0, add, add_change, add_snapshot

from capture.columns import NULL, Action, Columns, Side
from capture.market.instruments import STATUS_NAMES
from queries.engine import FIRST_FILES
from queries.errors import EmptyWindow, Misused, NotALake, StatementFailed, UnknownSymbol
from queries.statements import statement
from queries.tape import Tape
from storage.schemas import SCHEMAS, TABLES

SYMBOL = "BTC/USD"
NASTY = [
    "' OR 1=1 --",
    "BTC/USD'; DROP VIEW trades; --",
    "$symbol",
    "../../etc/passwd",
    "read_text('/etc/passwd')",
    "BTC/USD\x00",
    "\x1b[31mred\n",
    "",
    "🙂" * 300,
]


def full_batch(*, at: int = T0) -> Columns:
    columns = Columns()
    add_snapshot(columns, seq=1, at=at, levels=[(Side.BID, 280030, 100000), (Side.OFFER, 280130, 100000)])
    add_change(columns, seq=2, at=at + 1, side=Side.OFFER, price=280130, size=96506, action=Action.CHANGE, entry_ms=5)
    for table in ("trades", "instruments", "events"):
        add(columns, table, receive_ns=at + 2, msg_seq_num=3)
    add(columns, "messages", receive_ns=at + 2, msg_seq_num=3)
    return columns


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_lake(tmp_path, full_batch())


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tape that no test changes."""
    root = make_lake(tmp_path_factory.mktemp("tape"), full_batch())
    (root / "secret").write_text("secret")
    return root


def seqs(relation: duckdb.DuckDBPyRelation) -> list[int]:
    return [seq for (seq,) in relation.project("msg_seq_num").fetchall()]


def test_a_tape_opens_by_its_root_or_its_lake(root: Path) -> None:
    """Both paths are the same tape; another directory or a file is none, and is not made one."""
    for path in (root, root / "lake", str(root)):
        with Tape(path) as tape:
            assert tape.symbols() == [SYMBOL]
    (root / "other").mkdir()
    (root / "file").write_text("no tape")
    for path in (root / "other", root / "file"):
        with pytest.raises(NotALake, match="no lake here"):
            Tape(path)
    assert list((root / "other").iterdir()) == []


def test_views_turn_integers_into_numbers(shared_root: Path) -> None:
    """Price and size are the nearest DOUBLE of the exact decimal; the integers stand beside them."""
    with Tape(shared_root) as tape:
        (row,) = tape.sql(
            "SELECT price, size, price_scaled, size_scaled, price_scale, size_scale, proven, side, action"
            " FROM book_changes WHERE action = 'change'"
        ).fetchall()

    assert row == (28013.0, 0.00096506, 280130, 96506, 1, 8, True, "offer", "change")


def test_a_scaled_number_is_the_nearest_double(tmp_path: Path) -> None:
    """Up to 2^53 the view's number is the correctly rounded one, at every scale a venue uses."""
    asked = [(digits, scale) for digits in (1, 48, 280130, 2**53 - 1, 9_007_199_254_740_881) for scale in range(16)]
    columns = Columns()
    for index, (digits, scale) in enumerate(asked):
        add(columns, "trades", price=digits, price_scale=scale, size=digits, size_scale=scale, receive_ns=T0 + index)

    with Tape(make_lake(tmp_path, columns)) as tape:
        rows = tape.sql("SELECT price, size FROM trades ORDER BY receive_ns").fetchall()

    exact = [float(Decimal(digits).scaleb(-scale)) for digits, scale in asked]
    assert rows == list(zip(exact, exact, strict=True))


def test_views_keep_the_nanosecond(shared_root: Path) -> None:
    """Times are UTC, nanoseconds included; the integers stand beside them, and null stays null."""
    with Tape(shared_root) as tape:
        rows = tape.sql(
            "SELECT epoch_ns(receive_time), typeof(receive_time), CAST(receive_time AS VARCHAR),"
            " epoch_ns(sending_time), epoch_ns(entry_time), receive_ns, sending_ms, entry_ms"
            " FROM book_changes ORDER BY receive_ns DESC LIMIT 2"
        ).fetchall()

    kind, sending = "TIMESTAMP_NS", T0 // 10**6
    assert rows == [
        (T0 + 1, kind, "2026-11-22 11:55:00.12345679", sending * 10**6, 5_000_000, T0 + 1, sending, 5),
        (T0, kind, "2026-11-22 11:55:00.123456789", sending * 10**6, None, T0, sending, None),
    ]


def test_a_time_beyond_reason_is_null_and_its_integer_stays(tmp_path: Path) -> None:
    """A venue that writes the year 9999 does not make a view fail."""
    columns = Columns()
    add(columns, "trades", sending_ms=253_402_300_799_000)

    with Tape(make_lake(tmp_path, columns)) as tape:
        rows = tape.sql("SELECT sending_time, sending_ms FROM trades").fetchall()

    assert rows == [(None, 253_402_300_799_000)]


def test_answers_do_not_depend_on_the_session_time_zone(shared_root: Path) -> None:
    """With another time zone set, every view and window gives what it gave before."""
    asked = [f"SELECT * FROM {table} ORDER BY ALL" for table in TABLES]  # noqa: S608

    with Tape(shared_root, locked=False) as tape:
        before = [tape.sql(query).to_arrow_table() for query in asked]
        methods = (
            tape.changes, tape.trades, tape.messages, tape.silence, tape.bars, tape.quote_bars, tape.measures, tape.why,
        )  # fmt: skip
        in_window = ("2026-11-22T11:55:00Z", "2026-11-22T11:55:01Z")
        windows = [method(SYMBOL, *in_window).to_arrow_table() for method in methods]
        tape.cursor().execute("SET GLOBAL TimeZone = 'America/New_York'")

        assert [tape.sql(query).to_arrow_table() for query in asked] == before
        assert [method(SYMBOL, *in_window).to_arrow_table() for method in methods] == windows
        assert tape.cursor().execute("SELECT current_setting('TimeZone')").fetchall() == [("America/New_York",)]


def test_raw_has_the_columns_as_stored(shared_root: Path) -> None:
    """The schema `raw` is the files, nothing added."""
    with Tape(shared_root) as tape:
        for table in TABLES:
            assert tape.sql(f"SELECT * FROM raw.{table}").columns == SCHEMAS[table].names  # noqa: S608


def test_an_empty_lake_has_every_view(tmp_path: Path) -> None:
    """Without a file the views are there, empty, with the same columns and types as later."""
    full, empty = make_lake(tmp_path / "full", full_batch()), make_lake(tmp_path / "empty")

    with Tape(full) as tape, Tape(empty) as none:
        for name in (*TABLES, *(f"raw.{table}" for table in TABLES)):
            query = f"SELECT * FROM {name}"  # noqa: S608
            assert none.sql(query).fetchall() == []
            assert (none.sql(query).columns, none.sql(query).types) == (tape.sql(query).columns, tape.sql(query).types)
        assert none.symbols() == none.events().fetchall() == none.messages().fetchall() == []
        with pytest.raises(EmptyWindow, match="which holds nothing until its first batch is committed"):
            none.changes(SYMBOL)


def test_a_window_is_half_open(shared_root: Path) -> None:
    """The first moment is in, the last is not."""
    with Tape(shared_root) as tape:
        assert seqs(tape.changes(SYMBOL)) == [1, 1, 2]
        assert seqs(tape.changes(SYMBOL, T0 + 1)) == [2]
        assert seqs(tape.changes(SYMBOL, T0, T0 + 1)) == [1, 1]
        assert seqs(tape.messages(SYMBOL, T0 + 1, T0 + 3)) == [2, 3]
        assert seqs(tape.trades(SYMBOL, T0 + 3 - SECOND)) == [3]


def test_rows_come_by_arrival_and_cuts_after_their_message(tmp_path: Path) -> None:
    """By receive time, session, number and place in the message; a local cut (-1) is what happened last."""
    batches = []
    for version, (at, seq) in enumerate([(T0 + 5, 3), (T0, 2), (T0, 1)]):
        columns = Columns()
        for index in (-1, 1, 0):
            add(columns, "book_changes", receive_ns=at, msg_seq_num=seq, entry_index=index, price=version)
        add(columns, "messages", receive_ns=at)
        batches.append(columns)

    with Tape(make_lake(tmp_path, *batches)) as tape:
        rows = tape.changes(SYMBOL).project("msg_seq_num, entry_index").fetchall()

    assert rows == [(seq, index) for seq in (1, 2, 3) for index in (0, 1, -1)]


def test_proven_leaves_out_what_lacks_a_witness(tmp_path: Path) -> None:
    """Proven are rows with all the witnesses that there can be: a trade has no checksum."""
    columns = Columns()
    for proof in range(8):
        for table in ("trades", "book_changes", "messages"):
            add(columns, table, proof=proof, msg_seq_num=proof)

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert seqs(tape.trades(SYMBOL, proven=True)) == [5, 7]
        assert seqs(tape.changes(SYMBOL, proven=True)) == [7]
        assert len(seqs(tape.trades(SYMBOL))) == 8


def test_events_of_a_symbol_include_those_of_its_session(tmp_path: Path) -> None:
    """What happened to the session happened to the symbol; what happened to another symbol did not."""
    columns = Columns()
    for index, symbol in enumerate((None, SYMBOL, "ETH/USD")):
        add(columns, "events", symbol=symbol, receive_ns=T0 + index, count=index)

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert [count for (count,) in tape.events(SYMBOL).project("count").fetchall()] == [0, 1]
        assert [count for (count,) in tape.events().project("count").fetchall()] == [0, 1, 2]


def instruments(root: Path, *versions: dict[str, object]) -> list[tuple[object, ...]]:
    """Symbol, from, to, tick size and status by name of each version in the view, one batch for each stored row."""
    batches = []
    for at, values in enumerate(versions):
        columns = Columns()
        add(columns, "instruments", **{"symbol": SYMBOL, "receive_ns": T0 + at, "valid_from_ns": T0 + at, **values})
        batches.append(columns)
    with Tape(make_lake(root, *batches)) as tape:
        return tape.sql(
            "SELECT symbol, valid_from_ns, valid_to_ns, tick_size, status_name FROM instruments ORDER BY valid_from_ns"
        ).fetchall()


def test_an_instrument_holds_until_its_next_version(tmp_path: Path) -> None:
    """valid_to is the next valid_from of the same symbol, across batches, and null for the last."""
    rows = instruments(tmp_path, {}, {"symbol": "ETH/USD"}, {"tick_size": "0.01"})

    assert rows == [
        (SYMBOL, T0, T0 + 2, "0.1", "online"),
        ("ETH/USD", T0 + 1, None, "0.1", "online"),
        (SYMBOL, T0 + 2, None, "0.01", "online"),
    ]


def test_a_row_that_says_nothing_new_is_no_version(tmp_path: Path) -> None:
    """Each run begins with all instruments again; in the view a version lasts until something differs, null or not."""
    rows = instruments(tmp_path, {}, {}, {"cost_min": None}, {"cost_min": None}, {})

    assert [row[1:3] for row in rows] == [(T0, T0 + 2), (T0 + 2, T0 + 4), (T0 + 4, None)]


def test_a_delisted_instrument_is_a_version_that_says_so(tmp_path: Path) -> None:
    """The version that could be traded ends with the delisting, by the venue's status or by a list that lacks it."""
    rows = instruments(tmp_path, {}, {"status": 6}, {"status": 1}, {"status": -1}, {"status": 99})

    assert [row[4] for row in rows] == ["online", "delisted", "online", "unlisted", None]
    assert [row[2] for row in rows] == [T0 + 1, T0 + 2, T0 + 3, T0 + 4, None]


def test_the_view_names_every_status() -> None:
    """The names in the view are those of the code."""
    text = statement("view_instruments")

    assert {int(a): b for a, b in re.findall(r"WHEN (-?\d+) THEN '([\w-]+)'", text)} == STATUS_NAMES


def test_an_unknown_symbol_is_told_from_a_quiet_one(root: Path) -> None:
    """A name never seen is an error with the near ones; a quiet window is an empty answer; outside is an error."""
    make_lake(root, full_batch(at=T0 + 100 * SECOND))
    with Tape(root) as tape:
        with pytest.raises(UnknownSymbol, match=r"'BTC/USDT' is not in the lake; did you mean BTC/USD\?"):
            tape.trades("BTC/USDT")
        with pytest.raises(UnknownSymbol, match=r"did you mean BTC/USD\?"):
            tape.book("btc/usd")
        assert tape.trades(SYMBOL, T0 + 10 * SECOND, T0 + 20 * SECOND).fetchall() == []
        for window in ((None, T0), (T0 + 200 * SECOND, None)):
            with pytest.raises(EmptyWindow, match="covers 2026-11-22T11:55:00"):
                tape.trades(SYMBOL, *window)


@pytest.mark.parametrize("symbol", NASTY)
def test_text_of_the_user_is_a_value_and_nothing_else(shared_root: Path, symbol: str) -> None:
    """SQL, paths and escapes in a symbol are just an unknown symbol, and the message is one clean line."""
    with Tape(shared_root) as tape:
        for ask in (tape.changes, tape.trades, tape.messages, tape.book):
            with pytest.raises(UnknownSymbol) as caught:
                ask(symbol)
            assert str(caught.value).isprintable()
        assert tape.events(symbol).fetchall() == tape.events().fetchall()
        assert tape.sql("SELECT count(*) FROM trades").fetchall() == [(1,)]


@pytest.mark.parametrize("symbol", [name for name in NASTY if "\x00" not in name])
def test_text_of_the_venue_is_a_value_and_nothing_else(tmp_path: Path, symbol: str) -> None:
    """A venue may list anything as a symbol; it is found by its name and does nothing."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(Side.BID, 1, 1)], symbol=symbol)

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert tape.symbols() == [symbol]
        assert seqs(tape.changes(symbol)) == [1]
        assert tape.book(symbol).bids[0].size == Decimal("0.00000001")
        assert all(line.isprintable() for line in str(tape.book(symbol)).splitlines())


def test_refresh_takes_in_what_came_since(root: Path) -> None:
    """A tape stays as it was opened until it is refreshed; an answer stays what it was asked of."""
    with Tape(root) as tape:
        before = tape.trades(SYMBOL)
        make_lake(root, full_batch(at=T0 + SECOND))
        assert len(tape.trades(SYMBOL).fetchall()) == 1

        tape.refresh()

        assert len(tape.trades(SYMBOL).fetchall()) == len(tape.sql("FROM trades").fetchall()) == 2
        assert len(before.fetchall()) == 1


def test_refresh_keeps_the_database_where_nothing_came_since(root: Path) -> None:
    """The same files are not looked at again, and what was learnt of them is kept."""
    with Tape(root) as tape:
        engine = tape._engine

        tape.refresh()
        tape.refresh()
        assert tape._engine is engine

        make_lake(root, full_batch(at=T0 + SECOND))
        tape.refresh()
        assert tape._engine is not engine


def test_a_book_needs_no_database(shared_root: Path) -> None:
    """It is made with the first statement; one of a tape that is closed makes none."""
    with Tape(shared_root) as tape:
        tape.book(SYMBOL)
        assert tape._engine._database is None

    with pytest.raises(duckdb.ConnectionException, match="the tape is closed"):
        tape.symbols()


def test_a_closed_tape_answers_no_more(shared_root: Path) -> None:
    """What was fetched stays; asking, or reading an answer not fetched yet, is an error of DuckDB's or ours."""
    with Tape(shared_root) as tape:
        trades, table = tape.trades(SYMBOL), tape.trades(SYMBOL).to_arrow_table()

    assert table.num_rows == 1
    for late in (trades.fetchall, lambda: tape.trades(SYMBOL), lambda: tape.sql("SELECT 1")):
        with pytest.raises((StatementFailed, duckdb.Error)):
            late()


def test_coverage_says_from_when_to_when(shared_root: Path) -> None:
    """One row a symbol, with its first and last message."""
    with Tape(shared_root) as tape:
        (row,) = tape.coverage().project("symbol, messages, messages_proven, sessions, first_ns, last_ns").fetchall()

    assert row == (SYMBOL, 3, 3, 1, T0, T0 + 2)


def test_many_files_give_the_same_answers(tmp_path: Path) -> None:
    """Reading file lists backward and in part changes nothing, also where files overlap in time."""
    batches = []
    for version in range(FIRST_FILES * 3):
        columns = Columns()
        add_snapshot(columns, seq=version + 1, at=T0 + version, levels=[(Side.BID, version + 1, 7)])
        add(columns, "messages", receive_ns=T0 + 1000 + version, symbol="ETH/USD", msg_seq_num=500 + version)
        batches.append(columns)

    with Tape(make_lake(tmp_path, *batches)) as tape:
        assert [tape.book(SYMBOL, T0 + at).certificate.begin_msg_seq_num for at in (0, 3, 20, 900)] == [1, 4, 21, 24]
        assert tape.book(SYMBOL, T0 + 9).bids[0].price == Decimal("1.0")
        assert seqs(tape.changes(SYMBOL, T0 + 4, T0 + 6)) == [5, 6]


def test_threads_may_ask_at_once(shared_root: Path) -> None:
    """One tape, many threads, every answer right."""
    answers: list[tuple[object, ...]] = []
    with Tape(shared_root) as tape:

        def ask() -> None:
            for _ in range(5):
                counts = tape.sql("SELECT count(*) FROM book_changes").fetchall()
                answers.append((len(tape.changes(SYMBOL).fetchall()), counts, len(tape.book(SYMBOL).offers)))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [(3, [(3,)], 1)] * 20


@pytest.mark.parametrize("name", ["symbol=ZZZ/receive_ns=5", "we[i]rd *? 'quoted' \"name\""])
def test_the_directory_above_has_no_say(tmp_path: Path, name: str) -> None:
    """A path that looks like a partition or a pattern changes neither columns nor files."""
    with Tape(make_lake(tmp_path / name, full_batch())) as tape:
        assert tape.symbols() == [SYMBOL]
        assert seqs(tape.changes(SYMBOL)) == [1, 1, 2]
        assert tape.sql("SELECT DISTINCT symbol FROM raw.trades").fetchall() == [(SYMBOL,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_parquet('{root}/lake/trades/*/*.parquet')",
        "SELECT * FROM read_text('{root}/lake/../secret')",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{root}/out''')",
        "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '{root}/lake/logs')",
        "SELECT (SELECT count(*) FROM system.main.\"ENABLE_LOGGING\"('QueryLog'))",
        "SELECT * FROM query('SELECT * FROM enable' || '_logging()')",
        "SUMMARIZE SELECT * FROM enable_logging('QueryLog')",
        "SELECT getenv('HOME')",
        "COPY (SELECT 1) TO '{root}/out.csv'",
        "COPY (SELECT 1) TO '{root}/lake/out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/lake/out.csv'",
        "EXPORT DATABASE '{root}/out'",
        "ATTACH '{root}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET TimeZone = 'America/New_York'",
        "PRAGMA database_list",
        "DROP VIEW trades",
        "CREATE TABLE t AS SELECT 1",
        "PREPARE p AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP VIEW trades",
        "SELEC 1",
        "SELECT nothing FROM trades",
        "",
        "--",
    ],
)
def test_sql_sees_the_lake_and_nothing_else(shared_root: Path, query: str) -> None:
    """One SELECT over the views; files, network, settings and anything that writes are refused."""
    before = files_below(shared_root)

    with Tape(shared_root) as tape:
        with pytest.raises((StatementFailed, duckdb.Error)):
            tape.sql(query.format(root=shared_root)).fetchall()

        assert tape.sql("SELECT count(*) FROM trades").fetchall() == [(1,)]
    assert files_below(shared_root) == before


def files_below(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


@pytest.mark.parametrize(
    "query",
    [
        "FROM trades",
        "WITH t AS (SELECT 1) SELECT * FROM t",
        "DESCRIBE trades",
        "SUMMARIZE trades",
        "SHOW TABLES",
        "VALUES (1)",
        "SELECT 1;",
        "SELECT * FROM range(3)",
        "SELECT view_name FROM duckdb_views()",
    ],
)
def test_sql_takes_whatever_only_reads(shared_root: Path, query: str) -> None:
    """The forms of a question that DuckDB has all work."""
    with Tape(shared_root) as tape:
        assert tape.sql(query).fetchall()


def test_null_prices_stay_null(tmp_path: Path) -> None:
    """A clear has neither price nor size, in numbers and in integers."""
    columns = Columns()
    add(columns, "book_changes", action=Action.CLEAR, side=-1, price=NULL, size=NULL)

    with Tape(make_lake(tmp_path, columns)) as tape:
        rows = tape.sql("SELECT side, price, size, price_scaled, size_scaled FROM book_changes").fetchall()

    assert rows == [(None,) * 5]


def test_venue_time_orders_and_bounds_by_the_venues_clock(tmp_path: Path) -> None:
    """A message that arrived late is where the venue sent it; the window is half open by that clock."""
    columns = Columns()
    sent_ms = T0 // 10**6
    for seq, (arrived, sent) in enumerate([(0, 5), (1, 3), (2, 4), (3, 9)]):
        for table in ("book_changes", "trades", "quotes"):
            add(columns, table, receive_ns=T0 + arrived * SECOND, sending_ms=sent_ms + sent, msg_seq_num=seq)
    add(columns, "messages")
    window = ((sent_ms + 3) * 10**6, (sent_ms + 9) * 10**6)

    with Tape(make_lake(tmp_path, columns)) as tape:
        for ask in (tape.changes, tape.trades, tape.quotes):
            assert seqs(ask(SYMBOL)) == [0, 1, 2, 3]
            assert seqs(ask(SYMBOL, by="venue")) == [1, 2, 0, 3]
            assert seqs(ask(SYMBOL, *window, by="venue")) == [1, 2, 0]
            assert seqs(ask(SYMBOL, window[0] + 1, by="venue")) == [2, 0, 3]
        with pytest.raises(Misused, match="use arrival or venue"):
            tape.trades(SYMBOL, by="size")


def test_proven_quotes_have_every_witness(tmp_path: Path) -> None:
    """A quote of a suspect book is none of them."""
    columns = Columns()
    for seq, flags in enumerate((1, 5)):
        add(columns, "quotes", msg_seq_num=seq, flags=flags)
    add(columns, "messages")

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert seqs(tape.quotes(SYMBOL)) == [0, 1]
        assert seqs(tape.quotes(SYMBOL, proven=True)) == [0]


def test_instruments_are_those_valid_at_a_moment(tmp_path: Path) -> None:
    """Each symbol once, in the version of then; without a moment in the newest."""
    columns = Columns()
    for at, symbol, tick in ((0, "A", "1"), (10, "A", "2"), (5, "B", "3")):
        add(columns, "instruments", receive_ns=T0 + at, valid_from_ns=T0 + at, symbol=symbol, tick_size=tick)
    for symbol in "AB":
        add(columns, "messages", symbol=symbol)

    with Tape(make_lake(tmp_path, columns)) as tape:

        def found(at: int | None, symbol: str | None = None) -> list[tuple[str, str]]:
            return tape.instruments(at, symbol=symbol).project("symbol, tick_size").fetchall()

        assert found(T0 - 1) == []
        assert found(T0 + 7) == [("A", "1"), ("B", "3")]
        assert found(T0 + 10) == found(None) == [("A", "2"), ("B", "3")]
        assert found(None, "A") == [("A", "2")]
        with pytest.raises(UnknownSymbol):
            tape.instruments(symbol="C")


def test_tables_are_listed_by_the_logs(shared_root: Path) -> None:
    """Rows, files and times of each table; nothing is read for it."""
    with Tape(shared_root) as tape:
        listed = {row["table"]: row for row in tape.tables().to_pylist()}

    assert list(listed) == list(TABLES)
    changes = listed["book_changes"]
    assert (changes["rows"], changes["files"], changes["dates"]) == (3, 1, 1)
    assert (changes["first_time"], changes["last_time"]) == (
        "2026-11-22T11:55:00.123456789Z",
        "2026-11-22T11:55:00.123456790Z",
    )
    assert (listed["books"]["rows"], listed["books"]["first_time"]) == (0, None)


def test_explain_counts_what_is_left_unread(tmp_path: Path) -> None:
    """Files by their times, row groups by symbol and time."""
    batches = [full_batch(at=T0 + day * SECOND) for day in range(4)]
    with Tape(make_lake(tmp_path, *batches)) as tape:
        one = tape.explain(SYMBOL, T0 + SECOND, T0 + 2 * SECOND)
        with pytest.raises(Misused, match="table 'x' is none; use one of book_changes"):
            tape.explain(SYMBOL, table="x")

    assert (one.files, one.files_read, one.row_groups, one.row_groups_read) == (4, 1, 1, 1)
    assert (one.rows, one.rows_read) == (12, 3)
    assert str(one).splitlines()[0] == "book_changes: 1 of 4 files, 75.0% left out"
