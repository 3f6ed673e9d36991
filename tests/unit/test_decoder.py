"""Snapshots and refreshes to entries."""

import pytest
from fix import BTC, QUEUE_NS, T0, UPDATE_NS, decoded, message, refresh, snapshot

from capture.errors import ValueMalformed
from capture.market import decoder
from capture.market.decoder import Entry, decode, entry_ms
from capture.market.requests import LEVEL_3
from capture.wire import values

DAY = values.DAY_MS
MIDNIGHT = T0 // values.MILLISECOND_NS // DAY * DAY
HEAD = "55=BTC/USD 262=M1"


def at(text: str) -> int:
    """Milliseconds since midnight."""
    return values.time_of_day_ns(text.encode()) // values.MILLISECOND_NS


def test_snapshot_entries_are_exact() -> None:
    """A snapshot's entries have scaled integers, their own id, and a dated time."""
    it = decoded(snapshot("offer 28013.0 0.001", "bid 28003.0 0.00096375"))

    assert (it.symbol, it.md_req_id, it.checksum, it.beyond_precision) == ("BTC/USD", "M1", None, False)
    day_time = MIDNIGHT + at("11:59:59.000")
    assert it.entries == [
        Entry(0, 1, 280130, 100000, 1, 8, day_time, "O28013.0", 0, 0),
        Entry(0, 0, 280030, 96375, 1, 8, day_time, "B28003.0", 0, 0),
    ]


def test_refresh_entries_keep_their_order_and_action() -> None:
    """A refresh's entries come out as they went in: actions, trades with their taker, the checksum."""
    it = decoded(refresh("delete offer 100.0 0", "new offer 101.0 2", "trade 100.5 1", "change bid 99.0 3", checksum=7))

    assert [(entry.update, entry.entry_type, entry.price) for entry in it.entries] == [
        (2, 1, 1000), (0, 1, 1010), (0, 2, 1005), (1, 0, 990),
    ]  # fmt: skip
    assert (it.entries[2].order_type, it.entries[2].aggressor_side) == (2, 1)
    assert it.checksum == 7


@pytest.mark.parametrize(
    "text",
    [
        f"35=X {HEAD} 268=2 279=0 269=0 270=1.0 271=1 5041=5 279=0 269=0 270=2.0 271=1",
        f"35=X {HEAD} 268=2 279=0 269=0 270=1.0 271=1 5041=4 279=0 269=0 270=2.0 271=1 5041=5",
        f"35=X 5041=5 {HEAD} 268=2 279=0 271=1 270=1.0 269=0 279=0 271=1 270=2.0 269=0",
    ],
)
def test_checksum_may_stand_anywhere_and_the_last_counts(text: str) -> None:
    """5041 within an entry, before or after the group, is the message's; fields of an entry may come in any order."""
    it = decoded(text)

    assert it.checksum == 5
    assert [entry.price for entry in it.entries] == [10, 20]


def test_unknown_fields_change_nothing() -> None:
    """Tags that nobody knows, in the message or in an entry, are passed over."""
    plain = decoded(f"35=X {HEAD} 268=1 279=0 269=0 270=1.0 271=1 273=12:00:00 5041=5")
    strange = decoded(f"35=X 9001=a {HEAD} 268=1 279=0 9002=b 269=0 270=1.0 9003=c 271=1 273=12:00:00 5041=5 9004=d")

    assert strange == plain


def test_more_decimals_than_the_precision_are_told() -> None:
    """A price or size of the book beyond the precision is kept with its own scale, and the message says so."""
    for entry in ("new bid 100.05 1", "new bid 100.0 0.000000001"):
        it = decoded(refresh(entry))

        assert it.beyond_precision
        assert (it.entries[0].price_scale, it.entries[0].size_scale) in {(2, 8), (1, 9)}


def test_trade_beyond_the_precision_is_no_matter_of_the_book() -> None:
    """A trade with more decimals bears its own scale, and says nothing against the book."""
    it = decoded(refresh("trade 100.05 1", "new bid 100.0 1"))

    assert it.entries[0].price_scale == 2
    assert not it.beyond_precision


def test_empty_snapshot_has_no_entries() -> None:
    """268=0 is a snapshot of nothing."""
    assert decoded(snapshot()).entries == []


@pytest.mark.parametrize(
    "text",
    [
        f"35=W {HEAD} 268=2 269=0 270=1 271=1",
        f"35=W {HEAD} 268=0 269=0 270=1 271=1",
        f"35=W {HEAD} 268=x",
        f"35=W {HEAD} 268=100001",
        f"35=W {HEAD}",
        f"35=W {HEAD} 268=1 269=2 270=1 271=1",
        f"35=W {HEAD} 268=1 269=3 270=1 271=1",
        f"35=W {HEAD} 268=1 269=0 271=1",
        f"35=W {HEAD} 268=1 269=0 270=1",
        f"35=W {HEAD} 268=1 269=0 270= 271=1",
        f"35=W {HEAD} 268=1 269=0 270=1e5 271=1",
        f"35=W {HEAD} 268=1 269=0 270=-1 271=1",
        f"35=W {HEAD} 268=1 269=0 270=0.0 271=1",
        f"35=W {HEAD} 268=1 269=0 270=1 271=-1",
        f"35=W {HEAD} 268=1 269=0 270=1 271=1 273=25:00:00",
        f"35=X {HEAD} 268=1 279=3 269=0 270=1 271=1",
        f"35=X {HEAD} 268=1 279=10 269=0 270=1 271=1",
        f"35=X {HEAD} 268=1 279= 269=0 270=1 271=1",
        f"35=X {HEAD} 268=1 269=0 279=0 270=1 271=1",
        f"35=X {HEAD} 268=2 269=0 279=0 270=1 271=1 269=0 279=0 270=2 271=1",
        f"35=X {HEAD} 268=1 279=0 270=1 271=1",
        f"35=X {HEAD} 268=1 279=0 269=0 270=1 271=1 5041=-5",
        f"35=X {HEAD} 268=1 279=0 269=0 270=1 271=1 5041=",
        f"35=X {HEAD} 268=1 279=0 269=0 270={'9' * 5000} 271=1",
    ],
)
def test_malformed_message_is_refused_whole(text: str) -> None:
    """A fault in any entry refuses the message: a book with half of it applied would be worse."""
    with pytest.raises(ValueMalformed):
        decoded(text)


def test_message_without_a_symbol_or_an_id_is_refused() -> None:
    """Both 55 and 262 are needed to know what a message is about."""
    for text in ("35=W 55=BTC/USD 268=0", "35=W 262=M1 268=0"):
        with pytest.raises(ValueMalformed):
            decoder.identify(message(text))


@pytest.mark.parametrize(
    ("entry", "sending", "day"),
    [
        ("11:59:59.500", "12:00:00.000", 0),  # The usual case.
        ("12:00:00.137", "12:00:00.000", 0),  # Another machine's clock, a little ahead.
        ("12:00:05.000", "12:00:00.000", 0),  # As far ahead as clocks may differ.
        ("12:00:05.001", "12:00:00.000", -1),  # Further ahead: a level placed the day before.
        ("20:40:00.455", "13:42:27.230", -1),  # As captured: placed the evening before.
        ("00:00:00.100", "23:59:59.950", 1),  # Ahead, over midnight.
        ("00:00:04.950", "23:59:59.950", 1),
        ("00:00:04.951", "23:59:59.950", 0),
        ("23:59:59.990", "00:00:00.010", -1),  # Behind, over midnight.
        ("00:00:00.000", "00:00:00.000", 0),
        ("23:59:60.000", "23:59:59.999", 1),  # A leap second.
    ],
)
def test_time_without_a_date_is_dated(entry: str, sending: str, day: int) -> None:
    """273 is the latest such time that is not more than a few seconds ahead of SendingTime."""
    tod = 0 if entry.startswith("23:59:60") else at(entry)

    assert entry_ms(entry.encode(), MIDNIGHT + at(sending)) == MIDNIGHT + day * DAY + tod


def test_entry_without_a_time_is_not_dated() -> None:
    """Where 273 is absent there is no time, not a wrong one."""
    it = decode(message(f"35=W {HEAD} 268=1 269=0 270=1 271=1"), BTC, T0 // values.MILLISECOND_NS)

    assert it.entries[0].entry_ms is None


def test_order_entries_are_exact() -> None:
    """An entry of Level 3 is an order: its id, when it changed and when it joined its queue, to the nanosecond."""
    (order,) = decoded(refresh("change bid 99.0 3 OABC 7"), level=LEVEL_3).entries

    assert (order.update, order.entry_type, order.price, order.size) == (1, 0, 990, 300_000_000)
    assert (order.entry_id, order.update_ns, order.queue_ns) == ("OABC", UPDATE_NS, QUEUE_NS + 7)
    assert (UPDATE_NS % 1000, order.queue_ns % 1000) == (999, 475)


def test_captured_order_delete_is_read() -> None:
    """The one captured message of Level 3 bears no times; they are null."""
    (order,) = decoded(
        "35=X|34=7|49=KRAKEN-DRV-MD|52=20250304-15:25:09.913|56=CLIENT|55=PF_ETHUSD|262=1|268=1|279=2|269=1"
        "|278=00bf007e-0039-00dd-0071-00ae00d700c8|270=2044.8|271=2.874|273=15:25:09.844|5041=3889519115",
        level=LEVEL_3,
    ).entries

    assert (order.entry_id, order.update_ns, order.queue_ns) == ("00bf007e-0039-00dd-0071-00ae00d700c8", None, None)


@pytest.mark.parametrize(
    "fields",
    [
        "", "278=", f"278={'A' * 65}", "278=A 5060=", "278=A 5060=11:00:00", "278=A 5273=x",
        "278=A 5273=2026-03-01T11:00:00.0000000001Z", "278=A 5060=20260301-11:00:00.000",
    ],
)  # fmt: skip
def test_malformed_order_is_refused(fields: str) -> None:
    """Of Level 3 an entry without an id, or with a time that does not read, makes its message malformed."""
    text = f"35=X {HEAD} 268=1 279=0 269=0 {fields} 270=99.0 271=1"

    with pytest.raises(ValueMalformed):
        decoded(text, level=LEVEL_3)
    assert decoded(text).entries[0].queue_ns is None, "of Level 2 they are fields like any other that nobody knows"


def test_trade_is_no_order() -> None:
    """A trade needs no order's fields, though the venue sends none with orders."""
    assert decoded(f"35=X {HEAD} 268=1 279=0 269=2 270=99.0 271=1", level=LEVEL_3).entries[0].entry_type == 2
