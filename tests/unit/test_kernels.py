"""The kernels state some numbers of their own, in C: they are those of the modules that they stand beside."""

import re
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.book import kernel as book_kernel
from capture.book import levels
from capture.book.book import BookState
from capture.book.checksum import CHECKSUM_LEVELS
from capture.book.invariants import VIOLATIONS_LIMIT, Invariant
from capture.book.levels import BookCore
from capture.columns import NULL, Action, Flag, Proof, Verdict
from capture.market import decoder
from capture.market import kernel as market_kernel
from capture.wire import values
from capture.wire.kernel import holds_credential
from storage.journal.mask import MASKED_TAGS
from storage.union import kernel as union_kernel
from storage.union.united import PROVEN

SOURCES = Path(__file__).parents[2]


def declared(kernel: str) -> dict[str, int]:
    """The constants that a kernel declares, as its source writes them."""
    text = (SOURCES / f"{kernel}.py").read_text()
    found = re.findall(r"^(_[A-Z_0-9]+) = cython\.declare\([^,\[]+, (.+)\)", text, re.MULTILINE)
    return {name: eval(value) for name, value in found}  # noqa: S307 - numbers in a source of ours


def test_book_kernel_counts_as_the_columns_do() -> None:
    """Actions, verdicts, witnesses, flags, invariants and states have one numbering."""
    numbers = {**declared("capture/book/levels"), **declared("capture/book/kernel")}

    assert {name: numbers[f"_{name}"] for name in ("SNAPSHOT", "NEW", "DELETE", "EVICT", "CLEAR")} == {
        it.name: it.value for it in Action if it is not Action.CHANGE
    }
    assert numbers["_NEW"] + 1 == Action.CHANGE
    assert {name: numbers[f"_{name}"] for name in ("NOT_DUE", "VERIFIED", "MISMATCH", "UNVERIFIED")} == {
        it.name: it.value for it in Verdict if it is not Verdict.MALFORMED
    }
    assert {it.name: numbers[f"_BY_{it.name}"] for it in Proof} == {it.name: it.value for it in Proof}
    assert (numbers["_LAST_ENTRY"], numbers["_OF_SNAPSHOT"], numbers["_SUSPECT_BOOK"]) == (
        Flag.LAST_ENTRY,
        Flag.SNAPSHOT,
        Flag.SUSPECT_BOOK,
    )
    for name in ("LEVEL_NOT_HELD", "OFF_TICK", "OFF_LOT", "CROSSED"):
        assert numbers[f"_{name}"] == Invariant[name]
    assert numbers["_NULL"] == NULL
    assert numbers["_TOP"] == CHECKSUM_LEVELS
    assert (numbers["_LIVE"], numbers["_SUSPECT"]) == (BookState.LIVE.value, BookState.SUSPECT.value)
    assert [it.value for it in BookState] == [
        levels.AWAITING_SNAPSHOT,
        levels.LIVE,
        levels.SUSPECT,
    ]
    assert book_kernel.KEPT_VIOLATIONS >= VIOLATIONS_LIMIT


def test_replay_kernel_counts_as_the_columns_do() -> None:
    """Actions, witnesses and flags have one numbering here too."""
    numbers = declared("capture/book/replay")

    assert {name: numbers[f"_{name}"] for name in ("SNAPSHOT", "CHANGE", "EVICT", "CLEAR")} == {
        it.name: it.value for it in (Action.SNAPSHOT, Action.CHANGE, Action.EVICT, Action.CLEAR)
    }
    assert {it for it in Action if it <= numbers["_CHANGE"]} == {Action.SNAPSHOT, Action.NEW, Action.CHANGE}
    assert (numbers["_SUSPECT_BOOK"], numbers["_NULL"]) == (Flag.SUSPECT_BOOK, NULL)
    assert numbers["_PROVEN"] == Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS


def test_union_kernel_counts_as_the_columns_do() -> None:
    """Witnesses, flags and what a run stops at have one numbering here too."""
    numbers = declared("storage/union/kernel")

    assert numbers["_PROVEN"] == PROVEN == Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS
    assert numbers["_KEPT_FLAGS"] == Flag.BAD_TIME | Flag.POSSIBLE_DUPLICATE | Flag.RECOVERED
    assert numbers["_LIVE"] == BookState.LIVE.value
    assert numbers["_TRADE"] == decoder.TRADE
    assert (numbers["_KERNEL_DONE"], numbers["_KERNEL_NO_ROOM"]) == (book_kernel.DONE, book_kernel.NO_ROOM)
    for name in ("NO_BOOK", "REFRESH", "NOWHERE", "ANY_SCALE"):
        assert numbers[f"_{name}"] == getattr(union_kernel, name)
    assert numbers["_NULL"] == NULL


def test_market_kernel_has_the_decoders_limits() -> None:
    """What the two lanes hold a message against is the same."""
    numbers = declared("capture/market/kernel")

    assert numbers["_AHEAD_MS"] == decoder.ENTRY_AHEAD_LIMIT_MS
    assert numbers["_DAY_MS"] == values.DAY_MS
    assert numbers["_DIGITS_LIMIT"] == values.DIGITS_LIMIT
    assert numbers["_NULL"] == NULL
    assert (numbers["_MESSAGES"], numbers["_ENTRIES"]) == (market_kernel.MESSAGES_LIMIT, market_kernel.ENTRIES_LIMIT)
    assert market_kernel.ENTRIES_LIMIT <= decoder.ENTRIES_LIMIT


@pytest.mark.parametrize("count", [0, 1, 3, 10, 11, 40])
@pytest.mark.parametrize("number", [1, 9, 10, 99, 100, 101, 9_999, 10_000, 2**31, 2**63 - 1])
def test_checksum_is_that_of_zlib(count: int, number: int) -> None:
    """Any count of levels and of digits gives the CRC32 of zlib over the same text."""
    book = BookCore(1000)
    for place in range(count):
        book.bids.set(number - place if number > place else 2**40 + place, number)
        book.offers.set(number + place if number < 2**62 else number - place, number)

    best = [*book.offers.best(10), *book.bids.best(10)]
    assert book.crc32() == zlib.crc32("".join(f"{price}{size}" for price, size in best).encode())


@given(
    parts=st.lists(
        st.sampled_from([b"\x01", b"553=", b"554=", b"96=", b"5", b"53=", b"9", b"=", b"55=BTC/USD\x01" * 600])
    )
)
def test_credentials_are_found_wherever_they_begin(parts: list[bytes]) -> None:
    """The kernel finds what a search for the masked tags finds, at any place and cut anywhere."""
    data = b"".join(parts)
    marks = [b"\x01%d=" % tag for tag in MASKED_TAGS]

    assert holds_credential(data) is any(mark in data for mark in marks)
