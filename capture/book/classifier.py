"""Why a book and the venue's checksum disagree: the cause, and the evidence for it in words.

Layer: book, above `book`. Pure: decoded messages in, words out.
Source: design section 6; venue reference 4.8 and 5.
Left to others: where the messages come from (`storage.incidents.evidence`).

`Replay` takes a subscription's messages by the slow lane, from its snapshot on: first up to the message in question,
then those that still came of it. `classify` compares that with what the live book had, with ChecksumOrderBook(5041),
and with the snapshot of the subscription that came after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from capture.book.book import Book
from capture.book.comparison import Levels, against_snapshot, precisions_of, time_of
from capture.book.orders import OrderBook
from capture.columns import Verdict
from capture.market.decoder import TRADE, Decoded
from capture.market.instruments import Instrument
from capture.market.requests import LEVEL_2


class Cause(StrEnum):
    """What a disagreement comes from."""

    LOST_MESSAGE = "lost message"
    PRECISION_CHANGE = "precision change"
    OURS = "ours"
    VENUE = "venue"
    UNKNOWN = "unknown"


class Detail(StrEnum):
    """What of the venue's was wrong, where that can be told."""

    WRONG_CHECKSUM = "wrong checksum"
    WRONG_ENTRY = "dropped, swapped or altered entry"
    NONE = ""


class Classified(NamedTuple):
    """A cause and the evidence for it, a sentence each."""

    cause: Cause
    detail: Detail
    evidence: tuple[str, ...]


class Numbers(NamedTuple):
    """Messages of which no copy is in the journal, or whose numbers were filled over; both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"MsgSeqNum {self.first}" if self.first == self.last else f"MsgSeqNum {self.first} to {self.last}"


class Precisions(NamedTuple):
    """Decimals of price and size, as a list of instruments named them in one message."""

    msg_seq_num: int
    price: int
    size: int


class Replay:
    """One subscription's messages by the slow lane; `mark` when the message in question is taken.

    impossible: why the messages as journalled cannot be taken, once they cannot.
    count: of messages taken up to the mark. agreed, disagreed: checksums, up to the mark and after it.
    """

    def __init__(self, instrument: Instrument, depth: int, level: int = LEVEL_2) -> None:
        self.impossible = ""
        self.count = 0
        self.agreed = self.disagreed = 0
        self.agreed_after = self.disagreed_after = 0
        self.is_marked = False
        self.marked = Levels()
        self.checksum = 0  # At the mark.
        self.beyond_precision = False  # Of the message at the mark.
        self.entry_ms: int | None = None  # Of the last entry of the book that has a time.
        self._book = (Book if level == LEVEL_2 else OrderBook)(instrument, depth)
        self._stands = False

    def take(self, seq: int, decoded: Decoded | str, *, snapshot: bool) -> None:
        """Take the next message; a text instead of its entries says why it cannot be read."""
        if self.impossible:
            return
        if isinstance(decoded, str):
            self.impossible = f"MsgSeqNum {seq} cannot be read: {decoded}"
            return
        if not self._stands and not snapshot:
            self.impossible = f"MsgSeqNum {seq} comes before any snapshot"
            return
        self._stands = True
        self.beyond_precision = decoded.beyond_precision
        book = self._book
        applied = book.snapshot(decoded) if snapshot else book.refresh(decoded)
        self._count(applied.verdict)
        times = [self.entry_ms, *(time_of(it) for it in decoded.entries if it.entry_type != TRADE)]
        self.entry_ms = max((it for it in times if it is not None), default=None)

    def mark(self) -> None:
        """Keep the book as it is: the message in question was the last one taken."""
        self.is_marked, self.marked, self.checksum = True, self.levels(), self._book.checksum()

    def levels(self) -> Levels:
        """Return the book as it stands."""
        return Levels(tuple(self._book.bids.levels()), tuple(self._book.offers.levels()))

    def _count(self, verdict: Verdict) -> None:
        agreed, disagreed = verdict is Verdict.VERIFIED, verdict is Verdict.MISMATCH
        if not self.is_marked:
            self.count += 1
            self.agreed += agreed
            self.disagreed += disagreed
        else:
            self.agreed_after += agreed
            self.disagreed_after += disagreed


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to judge by.

    received, computed: ChecksumOrderBook(5041) of the message, and the live book's; None where none was due.
    live: the live book after the message. missing: numbers between the subscription's snapshot and the message.
    versions: what lists said of the instrument in that span. replay: None where it could not be had, `no_replay` says
    why. following: the next subscription's snapshot, and its entries' times by side and price.
    """

    instrument: Instrument
    received: int | None
    computed: int | None
    live: Levels
    missing: Sequence[Numbers] = ()
    versions: Sequence[Precisions] = ()
    replay: Replay | None = None
    no_replay: str = ""
    level: int = LEVEL_2
    following: Decoded | None = None


def classify(evidence: Evidence) -> Classified:
    """Return the cause of a disagreement: the first of the causes, in their order, for which there is evidence."""
    for judge in (_lost, _precision, _ours, _venue):
        found = judge(evidence)
        if found is not None:
            return found
    return _unknown(evidence)


def _lost(evidence: Evidence) -> Classified | None:
    if evidence.missing:
        words = [f"{it}: not in the journal, or filled over, since the book's snapshot" for it in evidence.missing]
        return Classified(Cause.LOST_MESSAGE, Detail.NONE, tuple(words))
    if evidence.replay is not None and evidence.replay.impossible:
        words = [f"the messages as journalled cannot be replayed: {evidence.replay.impossible}"]
        return Classified(Cause.LOST_MESSAGE, Detail.NONE, tuple(words))
    return None


def _precision(evidence: Evidence) -> Classified | None:
    known = (evidence.instrument.price_precision, evidence.instrument.size_precision)
    words = []
    if evidence.replay is not None and evidence.replay.beyond_precision:
        words.append(f"the message has a price or size of more decimals than the instrument's {_pair(known)}")
    words += [
        f"MsgSeqNum {it.msg_seq_num} lists precisions {_pair((it.price, it.size))}, and the book has {_pair(known)}"
        for it in evidence.versions
        if (it.price, it.size) != known
    ]
    for name, levels in _books(evidence):
        found = precisions_of(evidence.received, levels, known)
        if found is not None:
            words.append(
                f"{evidence.received} is the checksum of {name} at precisions {_pair(found)}, not {_pair(known)}"
            )
            break
    return Classified(Cause.PRECISION_CHANGE, Detail.NONE, tuple(words)) if words else None


def _ours(evidence: Evidence) -> Classified | None:
    if evidence.received is None:
        return None
    slow = evidence.live.checksum()
    if slow == evidence.received and evidence.level == LEVEL_2:
        words = f"the slow lane's checksum of the live book is {slow}, as the venue's; live it was {evidence.computed}"
        return Classified(Cause.OURS, Detail.NONE, (words,))
    replay = _replayed(evidence)
    if replay is None or replay.checksum != evidence.received:
        return None
    words = (
        f"{_slow_lane(replay)} gets {evidence.received}, as the venue;"
        f" the live book differs from it on {evidence.live.differences(replay.marked)} prices"
        f" and had {evidence.computed}"
    )
    return Classified(Cause.OURS, Detail.NONE, (words,))


def _venue(evidence: Evidence) -> Classified | None:
    replay = _replayed(evidence)
    if replay is None or evidence.received is None:
        return None
    if replay.checksum != evidence.computed or replay.marked.differences(evidence.live):
        return None
    said = f"{evidence.computed}; the venue says {evidence.received}"
    words = [f"{_slow_lane(replay)} has the live book and its checksum {said}"]
    agreed, disagreed = replay.agreed_after, replay.disagreed_after
    if agreed or disagreed:
        words.append(f"of the checksums that still came after it, {agreed} agree with that book and {disagreed} do not")
    compared = None
    if evidence.following is not None:
        compared = against_snapshot(replay.levels(), evidence.following, replay.entry_ms)
        words.append(str(compared))
    if (compared is not None and not compared.differing) or (agreed and not disagreed):
        return Classified(Cause.VENUE, Detail.WRONG_CHECKSUM, tuple(words))
    if (compared is not None and compared.unchanged) or (disagreed and not agreed):
        return Classified(Cause.VENUE, Detail.WRONG_ENTRY, tuple(words))
    words.append("whether the checksum or an entry was wrong cannot be told from that")
    return Classified(Cause.VENUE, Detail.NONE, tuple(words))


def _unknown(evidence: Evidence) -> Classified:
    replay = _replayed(evidence)
    if replay is None:
        words = [f"the slow lane has not replayed it: {evidence.no_replay or 'its messages are not at hand'}"]
    else:
        prices = replay.marked.differences(evidence.live)
        words = [
            f"{_slow_lane(replay)} gets {replay.checksum}, on {prices} prices another book than the live one",
            f"the live book had {evidence.computed}, and the venue says {evidence.received}",
        ]
    if evidence.following is not None:
        newest_ms = None if replay is None else replay.entry_ms
        words.append(str(against_snapshot(evidence.live, evidence.following, newest_ms)))
    return Classified(Cause.UNKNOWN, Detail.NONE, tuple(words))


def _replayed(evidence: Evidence) -> Replay | None:
    replay = evidence.replay
    return None if replay is None or replay.impossible or not replay.is_marked else replay


def _books(evidence: Evidence) -> list[tuple[str, Levels]]:
    """Return the books whose checksums are made of levels."""
    if evidence.level != LEVEL_2:
        return []
    replay = _replayed(evidence)
    return [("the live book", evidence.live), *([] if replay is None else [("the replayed book", replay.marked)])]


def _slow_lane(replay: Replay) -> str:
    return f"the slow lane, replaying {replay.count} journalled messages from the last snapshot on,"


def _pair(precisions: tuple[int, int]) -> str:
    return f"{precisions[0]} and {precisions[1]}"
