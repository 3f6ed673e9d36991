"""Messages as text in, frames, messages and decoded entries out.

A message is written as in a log, `35=X 55=BTC/USD 268=1`, its fields parted by blanks or bars; what a header needs and
the text does not give is supplied.
"""

import re

from capture.market.decoder import Decoded, decode
from capture.market.instruments import Instrument
from capture.market.requests import LEVEL_2
from capture.wire import values
from capture.wire.framer import Frame, Framer, Skipped
from capture.wire.message import Message, split

SOH = b"\x01"
SECOND = values.SECOND_NS
T0 = values.timestamp_ns(b"20260301-12:00:00.000")
VENUE, CLIENT = "KRAKEN-MD", "CLIENT"

BTC = Instrument(
    symbol="BTC/USD",
    price_precision=1,
    size_precision=8,
    tick=1,
    lot=1,
    tick_size="0.1",
    lot_size="0.00000001",
    size_min="0.0001",
    size_max="",
    cost_min="",
    status=1,
)

_FIELDS = re.compile(r"(?:\s+|\|)(?=\d+=)")
_UPDATES = {"new": "0", "change": "1", "delete": "2"}
_TYPES = {"bid": "0", "offer": "1", "trade": "2"}


def fields(text: str) -> list[tuple[int, str]]:
    """Return the fields of a text; a value may hold blanks, but none right before what looks like a tag."""
    pairs = (part.partition("=") for part in _FIELDS.split(text.strip().rstrip("|")))
    return [(int(tag), value) for tag, _, value in pairs]


def seal(body: bytes, *, begin: bytes = b"FIX.4.4", length: int | None = None, check_sum: bytes | None = None) -> bytes:
    """Return a body framed by 8, 9 and 10; a length or a sum that is given stands as it is, right or wrong."""
    head = b"8=%b\x019=%d\x01" % (begin, len(body) if length is None else length)
    total = b"%03d" % ((sum(head) + sum(body)) & 0xFF)
    return head + body + b"10=%b\x01" % (total if check_sum is None else check_sum)


def frame(text: str, *, seq: int = 1, sender: str = VENUE, target: str = CLIENT, at_ns: int = T0) -> bytes:
    """Return the frame of a text; header fields that it gives go before those supplied."""
    given = fields(text)
    tags = {tag for tag, _ in given}
    header = [(34, str(seq)), (49, sender), (52, values.timestamp_text(at_ns).decode()), (56, target)]
    supplied = [(tag, value) for tag, value in header if tag not in tags]
    if "Y" in (value for tag, value in given if tag == 43) and 122 not in tags:
        supplied.append((122, dict(header)[52]))
    framing = {tag: value for tag, value in given if tag in {8, 9, 10}}
    rest = [(tag, value) for tag, value in given if tag not in {8, 9, 10}]
    ordered = [*rest[:1], *supplied, *rest[1:]]
    body = b"".join(f"{tag}={value}\x01".encode() for tag, value in ordered)
    return seal(
        body,
        begin=framing.get(8, "FIX.4.4").encode(),
        length=int(framing[9]) if 9 in framing else None,
        check_sum=framing[10].encode() if 10 in framing else None,
    )


def message(text: str, **header: int | str) -> Message:
    """Return the message of a text."""
    return split(frame(text, **header))  # type: ignore[arg-type]


def cut(data: bytes, *sizes: int) -> list[bytes]:
    """Return bytes in pieces of these sizes, the rest as the last."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def framed(*reads: bytes) -> tuple[list[Frame], list[Skipped]]:
    """Return what a framer makes of reads and of the end of the connection."""
    framer = Framer()
    items = [item for read in reads for item in framer.feed(read)] + list(framer.end())
    return [it for it in items if isinstance(it, Frame)], [it for it in items if isinstance(it, Skipped)]


# Market data. An entry is written `new bid 100.0 1.5`, `delete offer 101.0 0` or `trade 100.0 1.5`; in a snapshot
# `bid 100.0 1.5`. One of Level 3 has an order's id after that, and at how many ns after `QUEUE_NS` it joined its queue,
# `new bid 100.0 1.5 A 7`, or no such number where it bears no times.

QUEUE_NS = values.iso_ns(b"2026-03-01T11:00:00.650069468Z")
UPDATE_NS = values.iso_ns(b"2026-03-01T11:59:59.999999999Z")


def _named(side: str, price: str, order: list[str]) -> str:
    """Return the fields that name an entry's level or order."""
    if not order:
        return f"278={side[0].upper()}{price}"
    order_id, *joined = order
    if not joined:
        return f"278={order_id}"
    queued = values.compact_utc(QUEUE_NS + int(joined[0]))
    queued = f"{queued[:4]}-{queued[4:6]}-{queued[6:11]}:{queued[11:13]}:{queued[13:]}"
    return f"278={order_id} 5060=2026-03-01T11:59:59.999999999Z 5273={queued}"


def snapshot(*entries: str, symbol: str = "BTC/USD", md_req_id: str = "M1") -> str:
    """Return the text of a snapshot (35=W)."""
    parts = [f"35=W 55={symbol} 262={md_req_id} 268={len(entries)}"]
    for entry in entries:
        side, price, size, *order = entry.split()
        parts.append(f"269={_TYPES[side]} {_named(side, price, order)} 270={price} 271={size} 273=11:59:59.000")
    return " ".join(parts)


def refresh(*entries: str, symbol: str = "BTC/USD", md_req_id: str = "M1", checksum: int | str | None = None) -> str:
    """Return the text of an incremental refresh (35=X)."""
    parts = [f"35=X 55={symbol} 262={md_req_id} 268={len(entries)}"]
    for entry in entries:
        words = entry.split()
        update = _UPDATES[words.pop(0)] if words[0] in _UPDATES else "0"
        kind, price, size, *order = words
        extra = " 40=2 2446=1" if kind == "trade" else ""
        parts.append(
            f"279={update} 269={_TYPES[kind]} {_named(kind, price, order)} 270={price} 271={size}"
            f" 273=11:59:59.500{extra}"
        )
    if checksum is not None:
        parts.append(f"5041={checksum}")
    return " ".join(parts)


def listing(*symbols: str, extra: str = "", price_precision: int = 1, size_precision: int = 8) -> str:
    """Return the text of a whole SecurityList (35=y)."""
    tick = values.unscaled(1, price_precision)
    lot = values.unscaled(1, size_precision)
    rest = f"562={lot} 5010={size_precision} 5011=0.0001 2349={price_precision} 5022={tick} 5032=1"
    entries = [f"55={symbol} {rest}" for symbol in symbols]
    return " ".join([f"35=y 320=L1 322=1 560=0 {extra}146={len(symbols)}", *entries])


def decoded(text: str, instrument: Instrument = BTC, at_ns: int = T0, level: int = LEVEL_2) -> Decoded:
    """Return the decoded form of a W or X text."""
    return decode(message(text), instrument, at_ns // values.MILLISECOND_NS, level=level)
