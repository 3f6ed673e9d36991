"""Books that other libraries rebuild from exports, against ours at every level: real recordings, and a made hour."""

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard
from lake_maker import make_lake
from offline import batches
from venues import recordings, truth

from capture.venue.market import SyntheticMarket
from queries.tape import Tape

pytestmark = pytest.mark.peers

HERE = Path(__file__).parent
BOOKS_PYTHON = os.environ.get("FIXTAPE_BOOKS_PYTHON", "")
NAUTILUS_PYTHON = os.environ.get("FIXTAPE_NAUTILUS_PYTHON", "")
INSTANTS = 36
MICROSECOND_NS = 1000
ALL = 1000  # Levels.


class Recorded(NamedTuple):
    """A tape, one symbol of it, and the depth that it was recorded at. true: a recording with known books, or None."""

    root: Path
    symbol: str
    depth: int
    true: str | None


SOURCES = {
    "resubscribed at depth 10": ("btcusd-d10-resubscribe", "BTC/USD", 10),
    "depth 1000": ("spot10-d1000", "XMR/USD", 1000),
    "an hour": (None, "BTC/USD", 100),
}


@pytest.fixture(scope="module", params=list(SOURCES))
def recorded(request, tmp_path_factory):
    """A recording made offline by the whole chain, from the venue's session to the lake."""
    name, symbol, depth = SOURCES[request.param]
    source = SyntheticMarket(1, rate=10.0) if name is None else recordings(name)
    root = tmp_path_factory.mktemp("tape")
    make_lake(root, *(batch.columns for batch in batches(source, depth, 3600)))
    return Recorded(root, symbol, depth, name)


@pytest.fixture
def instants(recorded):
    """Moments between messages, apart by more than a microsecond, from the first snapshot to beyond the end."""
    with Tape(recorded.root) as tape:
        query = f"SELECT DISTINCT receive_ns FROM book_changes WHERE symbol = '{recorded.symbol}' ORDER BY 1"  # noqa: S608 - a name of ours
        times = [at for (at,) in tape.sql(query).fetchall()]
    after = [(at // MICROSECOND_NS + 1) * MICROSECOND_NS for at in times]
    good = [at for at, following in zip(after, [*times[1:], 2**62], strict=True) if at <= following]
    step = max(len(good) // INSTANTS, 1)
    return [*good[::step], good[-1]]


@pytest.fixture
def true(recorded, instants):
    """Our books at those moments, every level."""
    with Tape(recorded.root) as tape:
        return [_plain(tape.book(recorded.symbol, at - 1, ALL)) for at in instants]


def _plain(book):
    return [[(format(price, "f"), format(size, "f")) for price, size in side] for side in (book.bids, book.offers)]


def numbers(books):
    """Books as numbers, which do not tell 1.0 from 1.00."""
    return [[[(Decimal(price), Decimal(size)) for price, size in side] for side in book] for book in books]


def exported(recorded, form, folder, **options):
    """The files of an export."""
    with Tape(recorded.root) as tape:
        done = tape.export(form, folder, [recorded.symbol], **options)
    assert not done.refused
    return [folder / part.name for output in done.written for part in output.files]


def price_scale(recorded):
    """Decimals of the symbol's prices."""
    with Tape(recorded.root) as tape:
        query = f"SELECT max(price_scale) FROM book_changes WHERE symbol = '{recorded.symbol}'"  # noqa: S608 - a name of ours
        return tape.sql(query).fetchall()[0][0]


def run(python, script, *arguments):
    """What a script of another environment says."""
    done = subprocess.run(
        [python, script, *map(str, arguments)], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("library", "form"),
    [("order-book", "tardis-incremental"), ("lakeapi", "tardis-incremental"), ("hftbacktest", "hftbacktest")],
)
def test_the_library_has_our_books(library, form, recorded, instants, true, tmp_path):
    """Every level of both sides is equal at each moment, and at the end what the exchange is known to have had."""
    (file,) = exported(recorded, form, tmp_path)
    times = tmp_path / "instants.json"
    times.write_text(json.dumps(instants))

    found = run(BOOKS_PYTHON, HERE / "rebuild_books.py", library, file, times, price_scale(recorded))

    assert numbers(found) == numbers(true)
    if recorded.true is not None:
        final = truth(recorded.true)["final_books"][recorded.symbol]
        assert numbers(found[-1:]) == numbers([[final["bids"], final["asks"]]])
    print(f"{library}: {len(found)} books, {sum(len(side) for book in found for side in book)} levels, all equal")


def test_nautilus_has_our_books(recorded, instants, true, tmp_path):
    """The same through a catalogue that its own library wrote; trades are all there."""
    exported(recorded, "nautilus", tmp_path / "catalog", python=NAUTILUS_PYTHON)
    times = tmp_path / "instants.json"
    times.write_text(json.dumps(instants))

    script = HERE / "rebuild_nautilus.py"
    found = run(NAUTILUS_PYTHON, script, tmp_path / "catalog", f"{recorded.symbol}.KRAKEN", times)

    assert numbers(found["books"]) == numbers(true)
    with Tape(recorded.root) as tape:
        trades = tape.trades(recorded.symbol).project("price_scaled, price_scale, size_scaled, size_scale").fetchall()
    assert [tuple(map(Decimal, it)) for it in found["trades"]] == [
        (Decimal(price).scaleb(-places), Decimal(size).scaleb(-decimals)) for price, places, size, decimals in trades
    ]
    print(f"nautilus_trader: {len(true)} books, {len(trades)} trades, all equal")


def test_databento_s_decoder_has_our_best_levels(recorded, instants, true, tmp_path):
    """The ten best levels of each side, in whole units of the last decimal, where the sizes fit."""
    if recorded.true != "btcusd-d10-resubscribe":
        pytest.skip("sizes beyond 32 bits: refused, as tests/unit/test_export.py shows")
    (file,) = exported(recorded, "dbn", tmp_path)
    unpacked, times = tmp_path / "records.dbn", tmp_path / "instants.json"
    unpacked.write_bytes(zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read())
    times.write_text(json.dumps(instants))

    found = run(BOOKS_PYTHON, HERE / "rebuild_books.py", "dbn", unpacked, times, 0)

    expected = [
        [[(price, str(Decimal(size).scaleb(8))) for price, size in side[:10]] for side in book] for book in true
    ]
    assert numbers(found) == numbers(expected)
