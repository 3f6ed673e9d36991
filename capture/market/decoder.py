"""Snapshots and incremental refreshes to entries with exact integers.

Layer: market. Knows the fields of 35=W and 35=X; keeps no book.
Source: venue reference 4.5 to 4.7; of Level 3 each entry is an order, named by its MDEntryID(278).
Left to others: what an entry does to a book (`book.book`), rows (`feed`).
"""

from typing import Final, NamedTuple

from capture.errors import ValueMalformed
from capture.market.instruments import Instrument
from capture.market.requests import LEVEL_2
from capture.wire import tags, values
from capture.wire.message import Message

ENTRIES_LIMIT: Final = 100_000  # Of one message; a snapshot of depth 1000 has 2000.
ORDER_ID_BYTES_LIMIT: Final = 64  # A book keeps them: of Level 3 they are 19 bytes or, as UUID, 36.
ENTRY_AHEAD_LIMIT_MS: Final = 5_000  # MDEntryTime(273) further ahead of SendingTime(52) belongs to the day before.
TRADE: Final = 2  # MDEntryType(269), beside Side.BID and Side.OFFER
UPDATE_NEW, UPDATE_CHANGE, UPDATE_DELETE = 0, 1, 2  # MDUpdateAction(279)

# What belongs to the message and not to an entry. 5041 is there too: the venue puts it after the group.
_OUTSIDE: Final = frozenset(
    {tags.MD_REQ_ID, tags.SYMBOL, tags.NO_MD_ENTRIES, tags.CHECKSUM_ORDER_BOOK, tags.TEXT, tags.CHECK_SUM}
)


class Entry(NamedTuple):
    """One MDEntry.

    Units: price and size are integers scaled by the scales beside them, which are the instrument's unless the value
    has more decimals; entry_ms is since the epoch, dated by rule, or None.
    """

    update: int  # MDUpdateAction(279); UPDATE_NEW throughout a snapshot.
    entry_type: int  # 0 bid, 1 offer, 2 trade
    price: int
    size: int
    price_scale: int
    size_scale: int
    entry_ms: int | None
    entry_id: str
    order_type: int  # OrdType(40): 1 market, 2 limit, 0 not given.
    aggressor_side: int  # AggressorSide(2446): 1 buy, 2 sell, 0 not given.
    update_ns: int | None = None  # MDEntryTimestamp(5060) of an order, since the epoch.
    queue_ns: int | None = None  # MDEntryTimeQueue(5273) of an order: when it joined the queue at its price.


class Decoded(NamedTuple):
    """One W or X message.

    checksum: ChecksumOrderBook(5041), None where absent.
    beyond_precision: a price or size of the book had more decimals than the instrument's precision. A trade's are no
        matter of the book: its scales stand beside it.
    """

    md_req_id: str
    symbol: str
    entries: list[Entry]
    checksum: int | None
    beyond_precision: bool


def entry_ms(value: bytes, sending_ms: int) -> int:
    """Return MDEntryTime(273), which bears no date, as ms since the epoch.

    It is the latest such time of day that is not further ahead of SendingTime(52) than the limit: clocks differ by
    tenths of a second, and an old level's time may lie on an earlier day.
    """
    midnight = sending_ms - sending_ms % values.DAY_MS
    at = midnight + values.DAY_MS + values.time_of_day_ns(value) // values.MILLISECOND_NS
    while at > sending_ms + ENTRY_AHEAD_LIMIT_MS:
        at -= values.DAY_MS
    return at


def _small(value: bytes | None, allowed: bytes, tag: int) -> int:
    """Return a one-digit value out of those allowed. Errors: ValueMalformed."""
    if value is None or len(value) != 1 or value not in allowed:
        raise ValueMalformed(expected=f"tag {tag} one of {allowed.decode()}", received=value or b"")
    return value[0] - 48


def _need(fields: dict[int, bytes], tag: int) -> bytes:
    value = fields.get(tag)
    if not value:
        raise ValueMalformed(expected=f"tag {tag} in an entry", received=b"")
    return value


def _entry(fields: dict[int, bytes], instrument: Instrument, sending_ms: int, *, incremental: bool) -> Entry:
    update = _small(fields.get(tags.MD_UPDATE_ACTION), b"012", tags.MD_UPDATE_ACTION) if incremental else UPDATE_NEW
    entry_type = _small(fields.get(tags.MD_ENTRY_TYPE), b"012" if incremental else b"01", tags.MD_ENTRY_TYPE)
    price, price_scale = values.scaled(_need(fields, tags.MD_ENTRY_PX), instrument.price_precision)
    size, size_scale = values.scaled(_need(fields, tags.MD_ENTRY_SIZE), instrument.size_precision)
    if price <= 0 or size < 0:
        raise ValueMalformed(expected="a price above zero and a size from zero", received=fields[tags.MD_ENTRY_PX])
    time = fields.get(tags.MD_ENTRY_TIME)
    return Entry(
        update,
        entry_type,
        price,
        size,
        price_scale,
        size_scale,
        None if time is None else entry_ms(time, sending_ms),
        fields.get(tags.MD_ENTRY_ID, b"").decode("utf-8", "backslashreplace"),
        _digit(fields.get(tags.ORD_TYPE)),
        _digit(fields.get(tags.AGGRESSOR_SIDE)),
    )


def _order(entry: Entry, fields: dict[int, bytes]) -> Entry:
    """Return an entry of Level 3 with what is known of its order; a trade is none. Errors: ValueMalformed.

    The times may be absent: the one delete of Level 3 that was captured has neither.
    """
    if entry.entry_type == TRADE:
        return entry
    order_id = _need(fields, tags.MD_ENTRY_ID)
    if len(order_id) > ORDER_ID_BYTES_LIMIT:
        raise ValueMalformed(expected=f"MDEntryID(278) of at most {ORDER_ID_BYTES_LIMIT} bytes", received=order_id)
    updated, queued = fields.get(tags.MD_ENTRY_TIMESTAMP), fields.get(tags.MD_ENTRY_TIME_QUEUE)
    return entry._replace(
        update_ns=None if updated is None else values.iso_ns(updated),
        queue_ns=None if queued is None else values.iso_ns(queued),
    )


def _digit(value: bytes | None) -> int:
    return value[0] - 48 if value is not None and len(value) == 1 and value.isdigit() else 0


def identify(message: Message) -> tuple[str, str]:
    """Return MDReqID(262) and Symbol(55) of a W or X. Errors: ValueMalformed where one is absent."""
    md_req_id = message.need(tags.MD_REQ_ID).decode("utf-8", "backslashreplace")
    return md_req_id, message.need(tags.SYMBOL).decode("utf-8", "backslashreplace")


def decode(message: Message, instrument: Instrument, sending_ms: int, *, level: int = LEVEL_2) -> Decoded:
    """Return the entries of a W or X in their order. Errors: ValueMalformed; then none of it is to be applied."""
    incremental = message.msg_type == tags.MARKET_DATA_INCREMENTAL
    delimiter = tags.MD_UPDATE_ACTION if incremental else tags.MD_ENTRY_TYPE
    count = values.integer(message.need(tags.NO_MD_ENTRIES))
    if count > ENTRIES_LIMIT:
        raise ValueMalformed(expected=f"NoMDEntries(268) up to {ENTRIES_LIMIT}", received=b"%d" % count)
    entries = []
    for fields in message.group(delimiter, _OUTSIDE):
        entry = _entry(fields, instrument, sending_ms, incremental=incremental)
        entries.append(entry if level == LEVEL_2 else _order(entry, fields))
    if len(entries) != count:
        raise ValueMalformed(expected=f"{count} entries after NoMDEntries(268)", received=b"%d" % len(entries))
    checksum = None
    for tag, value in message.fields:
        if tag == tags.CHECKSUM_ORDER_BOOK:  # The last one is the message's, wherever it stands.
            checksum = values.integer(value)
    scales = (instrument.price_precision, instrument.size_precision)
    beyond = any((it.price_scale, it.size_scale) != scales for it in entries if it.entry_type != TRADE)
    return Decoded(*identify(message), entries, checksum, beyond)
