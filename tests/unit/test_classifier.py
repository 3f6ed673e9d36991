"""Why a book and its checksum disagree: each cause injected, and the words for it."""

from dataclasses import replace

import pytest
from fix import BTC, decoded, refresh, snapshot

from capture.book.book import Book
from capture.book.classifier import Cause, Detail, Evidence, Numbers, Precisions, Replay, classify
from capture.book.comparison import Levels, against_snapshot, precisions_of
from capture.book.levels import PriceLevel
from capture.market.decoder import Decoded

DEPTH = 10
OFFERS = [f"offer {101 + n}.0 {1 + n}" for n in range(4)]
BIDS = [f"bid {100 - n}.0 {1 + n}" for n in range(4)]
NEWER = "273=12:00:05.000"
Entries = tuple[str, ...]


def levels_of(book: Book) -> Levels:
    """Both sides of a book."""
    return Levels(tuple(book.bids.levels()), tuple(book.offers.levels()))


class Case:
    """A venue's book, what we took of its messages, and how it goes on; `evidence` is what there is to judge by."""

    def __init__(self) -> None:
        self.truth, self.live = Book(BTC, DEPTH), Book(BTC, DEPTH)
        self.replay = Replay(BTC, DEPTH)
        self.seq = 1
        self._take(decoded(snapshot(*OFFERS, *BIDS)), decoded(snapshot(*OFFERS, *BIDS)), is_snapshot=True)
        self.evidence = Evidence(BTC, None, None, Levels())

    def says(self, *entries: str, we_get: Entries | None = None, checksum_off: int = 0) -> "Case":
        """The venue sends a refresh, of which other entries may reach us, or another checksum."""
        self.truth.refresh(decoded(refresh(*entries)))
        received = self.truth.checksum() ^ checksum_off
        got = refresh(*(entries if we_get is None else we_get), checksum=received)
        self._take(decoded(refresh(*entries)), decoded(got), is_snapshot=False)
        return self

    def shows(self) -> "Case":
        """The last message is the one in question."""
        self.replay.mark()
        last = self._last
        self.evidence = Evidence(
            instrument=BTC,
            received=last.checksum,
            computed=self.live.checksum(),
            live=levels_of(self.live),
            replay=self.replay,
        )
        return self

    def subscribed_anew(self, *changes: str) -> "Case":
        """The next snapshot is the venue's book, some of its levels newer than what we had."""
        if changes:
            self.truth.refresh(decoded(refresh(*changes)))
        newer = {change.split()[2] for change in changes}
        parts = []
        for side, held in (("offer", self.truth.offers), ("bid", self.truth.bids)):
            for price, size in held.levels():
                text = f"{price // 10}.{price % 10}"
                entry = snapshot(f"{side} {text} {size / 10**8:g}").partition("268=1 ")[2]
                parts.append(entry.replace("273=11:59:59.000", NEWER) if text in newer else entry)
        following = decoded(f"35=W 55=BTC/USD 262=M2 268={len(parts)} {' '.join(parts)}")
        self.evidence = replace(self.evidence, following=following)
        return self

    def _take(self, sent: Decoded, got: Decoded, *, is_snapshot: bool) -> None:
        self.seq += 1
        self._last = got
        if is_snapshot:
            self.truth.snapshot(sent)
            self.live.snapshot(got)
        else:
            self.live.refresh(got)
        self.replay.take(self.seq, got, snapshot=is_snapshot)


@pytest.fixture
def case() -> Case:
    """A book of four levels a side, one good message in."""
    return Case().says("change bid 99.0 7")


def test_wrong_checksum_once(case: Case) -> None:
    """Both lanes agree, what follows agrees again, and the next snapshot is the same book: only 5041 was wrong."""
    case.says("change bid 98.0 7", checksum_off=1).shows()
    case.says("change bid 97.0 7").subscribed_anew()

    found = classify(case.evidence)

    assert (found.cause, found.detail) == (Cause.VENUE, Detail.WRONG_CHECKSUM)
    both = f"{case.evidence.computed}; the venue says {case.evidence.received}"
    replayed = "the slow lane, replaying 3 journalled messages from the last snapshot on,"
    assert found.evidence == (
        f"{replayed} has the live book and its checksum {both}",
        "of the checksums that still came after it, 1 agree with that book and 0 do not",
        "the next snapshot is that book, level by level",
    )


@pytest.mark.parametrize(
    ("sent", "we_get"),
    [
        (("change bid 98.0 7", "change bid 97.0 5"), ("change bid 97.0 5",)),
        (("new offer 100.5 3", "change bid 97.0 5"), ("change bid 97.0 5",)),
        (("change bid 98.0 7",), ("change bid 98.0 8",)),
        (("change bid 98.0 7",), ("change bid 98.5 7",)),
        (("delete bid 98.0 0", "new bid 98.0 7"), ("new bid 98.0 7", "delete bid 98.0 0")),
    ],
    ids=["dropped change", "dropped new", "altered size", "altered price", "swapped"],
)
def test_wrong_entry(case: Case, sent: Entries, we_get: Entries) -> None:
    """Both lanes agree, and a level of the next snapshot that is older than our book is not in it."""
    case.says(*sent, we_get=we_get).shows().subscribed_anew("change offer 101.0 9")

    found = classify(case.evidence)

    assert (found.cause, found.detail) == (Cause.VENUE, Detail.WRONG_ENTRY)
    assert "of them have not changed since by their MDEntryTime(273)" in found.evidence[-1]


def test_wrong_entry_by_what_still_came(case: Case) -> None:
    """A dropped delete leaves nothing old in the snapshot; that no later checksum agrees tells it."""
    case.says("delete bid 98.0 0", "change bid 99.0 2", we_get=("change bid 99.0 2",)).shows()
    case.says("change bid 100.0 3").subscribed_anew()

    found = classify(case.evidence)

    assert (found.cause, found.detail) == (Cause.VENUE, Detail.WRONG_ENTRY)
    assert "0 agree with that book and 1 do not" in found.evidence[1]


def test_snapshot_of_an_earlier_time_tells_nothing(case: Case) -> None:
    """Where no entry of the snapshot is as new as our book, its old levels prove nothing."""
    case.says("change bid 98.0 7", "delete bid 97.0 0", we_get=("delete bid 97.0 0",)).shows().subscribed_anew()

    found = classify(case.evidence)

    assert (found.cause, found.detail) == (Cause.VENUE, Detail.NONE)
    assert "none of its entries is as new as the book's newest" in found.evidence[1]


def test_what_cannot_be_told_is_said(case: Case) -> None:
    """Without a later message or a snapshot it is the venue's fault, and nobody knows which."""
    case.says("change bid 98.0 7", checksum_off=1).shows()

    found = classify(case.evidence)

    assert (found.cause, found.detail) == (Cause.VENUE, Detail.NONE)
    assert found.evidence[-1] == "whether the checksum or an entry was wrong cannot be told from that"


def test_live_book_that_the_slow_lane_does_not_have_is_ours(case: Case) -> None:
    """Replaying what was journalled gives the venue's checksum: the live book went wrong by itself."""
    case.says("change bid 98.0 7").shows()
    wrong = Levels((PriceLevel(1000, 5),), case.evidence.live.offers)
    evidence = replace(case.evidence, live=wrong, computed=wrong.checksum())

    found = classify(evidence)

    assert found.cause is Cause.OURS
    words = f"gets {evidence.received}, as the venue; the live book differs from it on 4 prices"
    assert words in found.evidence[0]


def test_live_checksum_of_the_right_levels_is_ours(case: Case) -> None:
    """The levels are right and their live checksum was not: told without any replay."""
    case.says("change bid 98.0 7").shows()
    evidence = replace(case.evidence, computed=1, replay=None)

    found = classify(evidence)

    assert found.cause is Cause.OURS
    assert found.evidence[0].endswith("as the venue's; live it was 1")


def test_missing_numbers_are_a_lost_message(case: Case) -> None:
    """A hole in the numbers since the snapshot comes before every other explanation."""
    case.says("change bid 98.0 7", checksum_off=1).shows()

    found = classify(replace(case.evidence, missing=[Numbers(3, 3), Numbers(7, 9)]))

    assert found.cause is Cause.LOST_MESSAGE
    assert [it.partition(":")[0] for it in found.evidence] == ["MsgSeqNum 3", "MsgSeqNum 7 to 9"]


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ([(3, False)], "MsgSeqNum 3 comes before any snapshot"),
        ([(2, True), (3, "tag 270 absent")], "MsgSeqNum 3 cannot be read: tag 270 absent"),
    ],
)
def test_messages_that_cannot_be_replayed_are_a_lost_message(
    case: Case, taken: list[tuple[int, bool | str]], words: str
) -> None:
    """A replay that ends in mid-way says where and why, and what comes later does not mend it."""
    case.says("change bid 98.0 7", checksum_off=1).shows()
    replay = Replay(BTC, DEPTH)
    for seq, what in taken:
        replay.take(seq, decoded(snapshot(*BIDS)) if isinstance(what, bool) else what, snapshot=what is True)
    replay.take(9, decoded(snapshot(*BIDS)), snapshot=True)
    replay.mark()

    found = classify(replace(case.evidence, replay=replay))

    assert found.cause is Cause.LOST_MESSAGE
    assert found.evidence == (f"the messages as journalled cannot be replayed: {words}",)


def test_checksum_at_other_precisions_is_a_precision_change(case: Case) -> None:
    """The venue's 5041 is that of the same book with a decimal more: suspected first, and named."""
    case.says("change bid 98.0 7").shows()
    finer = Levels(
        [PriceLevel(price * 10, size) for price, size in case.evidence.live.bids],
        [PriceLevel(price * 10, size) for price, size in case.evidence.live.offers],
    )

    found = classify(replace(case.evidence, received=finer.checksum()))

    assert found.cause is Cause.PRECISION_CHANGE
    text = f"{finer.checksum()} is the checksum of the live book at precisions 2 and 8, not 1 and 8"
    assert found.evidence == (text,)


def test_instrument_listed_anew_is_a_precision_change(case: Case) -> None:
    """A list within the span that names other precisions is enough; the same ones are not."""
    case.says("change bid 98.0 7", checksum_off=1).shows()

    same = classify(replace(case.evidence, versions=[Precisions(3, 1, 8)]))
    other = classify(replace(case.evidence, versions=[Precisions(3, 1, 8), Precisions(4, 1, 6)]))

    assert same.cause is Cause.VENUE
    assert other.cause is Cause.PRECISION_CHANGE
    assert other.evidence == ("MsgSeqNum 4 lists precisions 1 and 6, and the book has 1 and 8",)


def test_more_decimals_than_the_instrument_has_are_a_precision_change(case: Case) -> None:
    """A message that could not be applied for its decimals says so."""
    case.says("change bid 98.05 7").shows()

    found = classify(replace(case.evidence, received=None, computed=None))

    assert found.cause is Cause.PRECISION_CHANGE
    assert found.evidence == ("the message has a price or size of more decimals than the instrument's 1 and 8",)


def test_without_a_replay_it_is_unknown(case: Case) -> None:
    """Where the messages are not at hand it is said why, and what the next snapshot shows."""
    case.says("change bid 98.0 7", checksum_off=1).shows().subscribed_anew()

    found = classify(replace(case.evidence, replay=None, no_replay="the snapshot lies 300 MiB back"))

    assert found.cause is Cause.UNKNOWN
    assert found.evidence == (
        "the slow lane has not replayed it: the snapshot lies 300 MiB back",
        "the next snapshot is that book, level by level",
    )


def test_three_different_books_are_unknown(case: Case) -> None:
    """Lanes that differ from each other and from the venue are told as such."""
    case.says("change bid 98.0 7", checksum_off=1).shows()
    wrong = Levels((PriceLevel(1000, 5),), case.evidence.live.offers)

    found = classify(replace(case.evidence, live=wrong, computed=wrong.checksum()))

    assert found.cause is Cause.UNKNOWN
    assert "on 4 prices another book than the live one" in found.evidence[0]


def test_fewer_decimals_are_tried_only_where_no_digit_is_lost() -> None:
    """Sizes that end in zeros may have been meant shorter; others cannot."""
    round_sizes = Levels([PriceLevel(1000, 500)], [PriceLevel(1010, 700)])
    shorter = Levels([PriceLevel(1000, 5)], [PriceLevel(1010, 7)])
    odd = Levels([PriceLevel(1001, 501)], [])

    assert precisions_of(shorter.checksum(), round_sizes, (1, 8)) == (1, 6)
    assert precisions_of(Levels([PriceLevel(1001, 50)], []).checksum(), odd, (1, 8)) is None
    assert precisions_of(0, Levels(), (1, 8)) is None


def test_levels_beyond_our_view_say_nothing() -> None:
    """A book that was cut to its depth need not have what a snapshot shows further down."""
    ours = Levels([PriceLevel(1000, 10**8)], [PriceLevel(1010, 10**8)])
    text = snapshot("offer 101.0 1", "offer 102.0 5", "bid 100.0 1", "bid 99.0 1")
    entry_ms = max(it.entry_ms or 0 for it in decoded(text).entries)

    better = text.replace("270=100.0 271=1", "270=100.5 271=1")
    assert against_snapshot(ours, decoded(text), entry_ms) == (2, 0, False)
    assert against_snapshot(ours, decoded(better), entry_ms) == (4, 1, False)
    assert against_snapshot(ours, decoded(better), entry_ms + 1) == (4, 0, True)
