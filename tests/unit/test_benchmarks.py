"""The benchmarks: that what they measure is the work that they say, and that each of them runs."""

import books
import decode
import material
import pytest
from opponent_split import Decoder


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
}


@pytest.mark.parametrize("name", RUNS)
def test_each_benchmark_runs(name, capsys, monkeypatch):
    """On a little of its input each one comes to a table, and every result on the way was right."""
    monkeypatch.delenv("FIXTAPE_PEERS_PYTHON", raising=False)
    monkeypatch.delenv("FIXTAPE_OPPONENTS_PYTHON", raising=False)

    RUNS[name]()

    assert capsys.readouterr().out.count("\n| ") >= 3
