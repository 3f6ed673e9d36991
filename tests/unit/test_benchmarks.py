"""The benchmarks: that what they measure is the work that they say, and that each of them runs."""

import big_day
import book_queries
import books
import column_encodings
import decode
import end_to_end
import latency
import material
import merging
import pytest
import scaling
from opponent_split import Decoder
from passes import Stamper, gather

from capture.venue import recording
from capture.venue.market import SyntheticMarket
from capture.venue.source import Shape
from capture.venue.stamp import Stamp
from capture.wire.values import timestamp_text
from queries.tape import Tape
from storage.schemas import SCHEMAS

WALL_NS = 1_772_452_800_123_000_000
SMALL = ("--symbols", "2", "--market-seconds", "1")


@pytest.mark.parametrize("number", [1, 8, 95, 998, 999, 1000, 9_990, 999_999_990])
def test_a_block_is_what_the_venue_would_send(number):
    """Frames stamped a block at a time are those of the venue's own stamp, whatever the width of their numbers."""
    market = SyntheticMarket(3)
    made = gather(market, Shape(10), 0.01)
    ids = {symbol: b"M%d" % place for place, symbol in enumerate(market.symbols)}
    stamp = Stamp(b"KRAKEN-MD", b"CLIENT", timestamp_text(WALL_NS))

    stamper, frames = Stamper(made, ids, b"KRAKEN-MD", b"CLIENT"), []
    while len(frames) < 2 * len(made.bodies):
        frames += [it.encode("latin-1") for it in stamper.block(number + len(frames), WALL_NS)]

    assert frames == [
        stamp.stamped(body, ids[symbol], sum(ids[symbol]), number + place)
        for place, (symbol, body) in enumerate([*made.bodies, *made.bodies])
    ]


def test_a_pass_is_counted_as_it_is_sent():
    """Messages with a checksum, and entries, are counted over passes and the beginning of one."""
    made = gather(SyntheticMarket(2), Shape(10), 0.05)
    messages = 2 * len(made.bodies) + 7
    bodies = [body.after for _, body in (*made.bodies, *made.bodies, *made.bodies[:7])]

    counted = made.counted(messages)

    assert counted == (sum(b"5041=" in it for it in bodies), sum(it.count(b"\x01269=") for it in bodies))


def test_a_pass_of_recordings_begins_with_every_snapshot():
    """Whatever is recorded can be sent pass after pass: the books come first."""
    source = recording.shipped()

    made = gather(source, Shape(1000), 3600.0)

    kinds = [body.msg_type for _, body in made.bodies]
    assert made.snapshots == len(source.symbols)
    assert kinds[: made.snapshots] == [b"W"] * made.snapshots


@pytest.mark.parametrize("name", material.SETS)
def test_the_split_decoder_does_the_same_job(name):
    """The decoder that ours is held against finds the same entries, however the bytes are cut."""
    recorded = material.load(name)
    data = b"".join(recorded.refreshes)
    decoder = Decoder({it.symbol.encode(): (it.price_precision, it.size_precision) for it in _instruments(recorded)})

    found = [it for at in range(0, len(data), 777) for it in decoder.feed(data[at : at + 777])]

    assert [(sending_ms, symbol.decode(), checksum, entries) for _, sending_ms, symbol, checksum, entries in found] == [
        (
            sending_ms,
            it.symbol,
            -1 if it.checksum is None else it.checksum,
            [(b"%d" % e.update, b"%d" % e.entry_type, e.price, e.size, e.entry_ms) for e in it.entries],
        )
        for it, sending_ms in recorded.decoded(recorded.refreshes)
    ]


def _instruments(recorded):
    return recorded.instruments.values()


RUNS = {
    "decode": lambda: decode.measure(1, 0, sets=["ethusd-d25"], limit=20),
    "books": lambda: books.measure(1, 0, sets=["ethusd-d25"], limit=20),
    "scaling": lambda: scaling.measure(1, symbols=(2,), depths=(10,), market_seconds=0.2),
    "latency": lambda: latency.measure(1, 0.2, rates=(200,), sender=SMALL),
    "end to end": lambda: end_to_end.measure(1, 0.005, sender=SMALL),
}


@pytest.mark.parametrize(
    "name",
    ["decode", "books", "scaling", *(pytest.param(it, marks=pytest.mark.venue) for it in ("latency", "end to end"))],
)
def test_each_benchmark_runs(name, capsys, monkeypatch):
    """On a little of its input each one comes to a table, and every result on the way was right."""
    monkeypatch.delenv("FIXTAPE_PEERS_PYTHON", raising=False)
    monkeypatch.delenv("FIXTAPE_OPPONENTS_PYTHON", raising=False)

    RUNS[name]()

    assert capsys.readouterr().out.count("\n| ") >= 3


def test_encodings_are_measured(capsys):
    """Every column, variant and table has its line, and DuckDB reads each encoding that files are written in."""
    column_encodings.measure({"hour": (61, 20.0)})

    printed = capsys.readouterr().out
    assert all(f"| `{name}` |" in printed for name in SCHEMAS["book_changes"].names)
    assert "integers: plain: yes, dictionary: yes, delta: yes" in printed
    assert "| hour | 1 | " in printed


def test_a_synthetic_day_is_one_session_of_whole_hours(tmp_path, capsys):
    """Every hour has the rows of the first, later and with numbers that go on; each book is the one recorded."""
    made = big_day.make(tmp_path, 3_000, symbols=2, hours=3)

    with Tape(tmp_path) as tape:
        ((rows, sessions, numbers, repeated),) = tape.sql(
            "SELECT count(*), count(DISTINCT session_id), max(msg_seq_num), count(*) FILTER (verdict = 'mismatch')"
            " FROM messages"
        ).fetchall()
        ((changes, hours),) = tape.sql(
            "SELECT count(*), count(DISTINCT hour(receive_time)) FROM book_changes"
        ).fetchall()
    book_queries.measure(1, tmp_path, instants=5, commands=1)

    assert (changes, hours) == (made, 3)
    assert (sessions, repeated) == (1, 0)
    assert rows < numbers
    assert "| as a command | 1 |" in capsys.readouterr().out


def test_a_merge_is_measured_over_what_both_recorded(tmp_path, capsys):
    """The merged tape has the messages of one recorder, and is told as a table."""
    merging.measure(1, 5_000, symbols=2, folder=tmp_path)

    assert "messages of the merged tape" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
