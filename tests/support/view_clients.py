"""A client's book over the streams of a source, without a session between."""

from dataclasses import replace

from capture.book.book import Book
from capture.market.decoder import decode
from capture.market.instruments import InstrumentList
from capture.wire.message import Message, split


def instrument_of(source, symbol, **changes):
    """An instrument as a client reads it off the list, some of it changed."""
    fields = source.instruments[symbol]
    listed = InstrumentList().add(Message([(35, b"y"), (146, b"1"), *fields], b"")).instruments[0]
    return replace(listed, tick=0, lot=0, **changes) if changes else listed


def decoded(body, instrument):
    """A body as a client decodes it."""
    frame = b"8=FIX.4.4\x0135=%b\x01%bM1%b" % (body.msg_type, body.before, body.after)
    return decode(split(frame), instrument, 1_600_000_000_000)


def client_of(source, symbol, shape, *, limit=None, instrument=None):
    """A client's book at the end of a stream, with the verdicts and violations on the way."""
    instrument = instrument or instrument_of(source, symbol)
    book = Book(instrument, shape.depth or 1000)
    verdicts, violations = [], []
    for count, body in enumerate(source.bodies(symbol, shape)):
        if limit is not None and count >= limit:
            break
        message = decoded(body, instrument)
        applied = book.snapshot(message) if body.msg_type == b"W" else book.refresh(message)
        verdicts.append(applied.verdict)
        violations += applied.violations
        assert len(book.bids) <= book.depth
        assert [it.action.name for it in applied.changes if it.entry_index < 0 and shape.evicted == "announced"] == []
    return book, verdicts, violations
