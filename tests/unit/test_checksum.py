"""The checksum against every vector there is."""

import json
import zlib
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from fix import decoded, framed

from capture.book.book import Book
from capture.book.checksum import CHECKSUM_LEVELS, book_checksum
from capture.columns import Verdict
from capture.market.decoder import decode
from capture.market.instruments import InstrumentList
from capture.wire import tags, values
from capture.wire.message import split

DATA = Path(__file__).parents[1] / "data"
FILE: dict[str, Any] = json.loads((DATA / "checksum-vectors.json").read_text())
VECTORS = {vector["id"]: vector for vector in FILE["vectors"]}
LEVEL_2 = [name for name, vector in VECTORS.items() if vector["book_level"] == "L2"]
LEVEL_3 = [name for name, vector in VECTORS.items() if vector["book_level"] == "L3"]
NEGATIVE = {check["id"]: check["wrong_crc32"] for check in FILE["negative_checks"]}
GUIDE = VECTORS["fix-guide-incremental"]


def scaled(vector: dict[str, Any], side: str) -> list[tuple[int, int]]:
    """One side of a vector as scaled integers; no value has more decimals than the precision."""
    scales = (vector["price_precision"], vector["qty_precision"])
    pairs = [
        tuple(values.scaled(text.encode(), scale) for text, scale in zip(level, scales, strict=True))
        for level in vector[side]
    ]
    assert all((price[1], size[1]) == scales for price, size in pairs)
    return [(price[0], size[0]) for price, size in pairs]


def joined(pairs: list[tuple[int, int]]) -> str:
    """Digits of prices and sizes, one after the other."""
    return "".join(f"{price}{size}" for price, size in pairs)


@pytest.mark.parametrize("name", LEVEL_2)
def test_level_2_vector(name: str) -> None:
    """The checksum of a vector's book is the published one."""
    vector = VECTORS[name]

    assert book_checksum(scaled(vector, "asks"), scaled(vector, "bids")) == vector["crc32"]


@pytest.mark.parametrize("name", LEVEL_2)
def test_level_2_strings(name: str) -> None:
    """The digits that are summed are, side by side, those of the vector."""
    vector = VECTORS[name]

    assert joined(scaled(vector, "asks")[:CHECKSUM_LEVELS]) == vector["asks_string"]
    assert joined(scaled(vector, "bids")[:CHECKSUM_LEVELS]) == vector["bids_string"]


@pytest.mark.parametrize("name", LEVEL_3)
def test_level_3_vector_by_the_same_construction(name: str) -> None:
    """For single orders the limit of ten counts prices, and every order at a price is summed in queue order."""
    vector = VECTORS[name]

    digits = ""
    for side in ("asks", "bids"):
        queues = [list(orders) for _, orders in groupby(scaled(vector, side), key=lambda order: order[0])]
        digits += "".join(joined(orders) for orders in queues[:CHECKSUM_LEVELS])

    assert zlib.crc32(digits.encode()) == vector["crc32"]


def test_wire_text_without_padding_is_wrong() -> None:
    """Joining the digits as they stand on the wire gives the wrong value that the vectors name."""
    digits = "".join(
        part.replace(".", "").lstrip("0") for side in ("asks", "bids") for level in GUIDE[side] for part in level
    )

    assert zlib.crc32(digits.encode()) == NEGATIVE["unpadded-quantities"] != GUIDE["crc32"]


def test_sides_in_the_wrong_order_are_wrong() -> None:
    """Bids before offers gives the wrong value that the vectors name."""
    digits = joined(scaled(GUIDE, "bids")) + joined(scaled(GUIDE, "asks"))

    assert zlib.crc32(digits.encode()) == NEGATIVE["bids-before-asks"] != GUIDE["crc32"]


def test_guide_s_messages_give_its_checksum() -> None:
    """List, snapshot and refresh of the guide, decoded and applied, give 3341325816; before the refresh they do not."""
    frames, _ = framed((DATA / "guide-example.fix").read_bytes())
    security_list, snapshot, refresh = (split(it.data) for it in frames)
    (instrument,) = InstrumentList().add(security_list).instruments
    book = Book(instrument, depth=10)

    book.snapshot(decode(snapshot, instrument, _sending_ms(snapshot.need(tags.SENDING_TIME))))
    before = book.checksum()
    applied = book.refresh(decode(refresh, instrument, _sending_ms(refresh.need(tags.SENDING_TIME))))

    assert before == NEGATIVE["snapshot-state"] == VECTORS["fix-guide-snapshot-only"]["crc32"]
    assert (applied.verdict, applied.computed) == (Verdict.VERIFIED, 3341325816)
    assert book.proven


def _sending_ms(value: bytes) -> int:
    return values.timestamp_ns(value) // values.MILLISECOND_NS


def test_empty_book_is_zero() -> None:
    """The checksum of nothing is that of the empty string."""
    assert book_checksum([], []) == 0
    assert Book(next(iter(InstrumentList().add(_guide_list()).instruments)), depth=10).checksum() == 0


def _guide_list() -> Any:
    frames, _ = framed((DATA / "guide-example.fix").read_bytes())
    return split(frames[0].data)


def test_levels_past_the_tenth_are_ignored() -> None:
    """Ten levels a side count, whatever the depth."""
    offers = [(price, 1) for price in range(100, 150)]
    bids = [(price, 1) for price in range(99, 50, -1)]

    assert book_checksum(offers, bids) == book_checksum(offers[:10], bids[:10])
    assert book_checksum(offers[:9], bids) != book_checksum(offers, bids)


@pytest.mark.parametrize(
    ("offers", "bids"),
    [([(2, 1), (1, 1)], []), ([], [(1, 1), (2, 1)]), ([(1, 1), (1, 2)], []), ([], [(1, 1), (1, 1)])],
)
def test_unsorted_side_is_our_mistake(offers: list[tuple[int, int]], bids: list[tuple[int, int]]) -> None:
    """A side that is not strictly sorted never comes from the venue, but from a fault of ours."""
    with pytest.raises(AssertionError):
        book_checksum(offers, bids)


def test_value_is_unsigned() -> None:
    """A value above 2^31 is itself, not a negative number."""
    assert GUIDE["crc32"] > 2**31
    assert decoded("35=X 55=BTC/USD 262=M1 268=0 5041=3341325816").checksum == GUIDE["crc32"]
