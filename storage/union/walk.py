"""One symbol's book along the one line: what every message did to it, told anew.

Layer: storage, above the aligner. Uses the book of `capture`; no file, no clock.
Source: `capture.feed`, whose slow lane this is with one difference: what is missing is known from two recorders.
Left to others: the line (`storage.union.aligner`), windows and commits (`storage.union.unite`).

The book follows a refresh without doubt where either recorder saw it right after the message that the book stands at:
nothing lies between them then. Where neither did, the refresh is applied all the same, as nobody can ask the venue now;
but the book is suspect until a snapshot, and what its checksum says is said of its top alone.

A snapshot within what the other recorder saw without a hole is that recorder's book already: it is told as a sighting
and changes nothing. Elsewhere it is where the book begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from capture.book.book import Applied, Book, BookState
from capture.columns import NULL, Flag, Proof, Verdict
from capture.findings import Kind
from capture.market.decoder import TRADE, Decoded, Entry
from capture.market.instruments import Instrument
from capture.market.requests import UNCUT
from capture.sinks import Position
from storage.union.aligner import Sighting
from storage.union.known import Known
from storage.union.line import Ref, Seen
from storage.union.output import RECORDERS, Output

PROVEN: Final = Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS
_KEPT_FLAGS: Final = Flag.BAD_TIME | Flag.POSSIBLE_DUPLICATE | Flag.RECOVERED
_BOOK_TYPES: Final = ("W", "X")


@dataclass(slots=True)
class Message:
    """One message of the united lake, as `capture.rows` asks for it."""

    at_ns: int
    sending_ms: int
    seq: int
    symbol: str | None
    flags: int
    entries: int
    received: int | None
    proof: int = Proof.SEQUENCE
    computed: int | None = None
    verdict: Verdict = Verdict.NOT_DUE


@dataclass(slots=True)
class Walk:
    """Where the line of one symbol has come to.

    taken: the last message of each recorder that is in the united lake. reach: the message of each recorder after which
    the book stands, None where it is at none of its messages. clock_ns: of the last row, as a symbol's never go back.
    sequenced: no hole lies between the book's snapshot and now. suspect_since: from when on the book is not believed.
    """

    symbol: str | None
    book: Book | None = None
    taken: list[Ref | None] = field(default_factory=lambda: [None, None])
    reach: list[Ref | None] = field(default_factory=lambda: [None, None])
    clock_ns: int = 0
    sequenced: bool = False
    suspect_since: int | None = None

    def take(self, line: Sequence[Sighting], count: int, known: Known, output: Output) -> None:
        """Take the first so many messages of a line; the others are looked at, and taken by a later call."""
        for index in range(count):
            sighting = line[index]
            which = _better(sighting)
            chosen = sighting[which]
            assert chosen is not None, "a message that nobody saw is none"
            for place, seen in enumerate(sighting):
                if seen is not None:
                    self.taken[place] = seen.ref
            if chosen.is_snapshot and self._is_covered(line, index):
                if self._holds(chosen):
                    self.reach[which] = chosen.ref
                output.sighting(chosen.ref.receive_ns, None, self.symbol, sighting, which)
                continue
            self.clock_ns = max(self.clock_ns, chosen.ref.receive_ns)
            message = Message(
                at_ns=self.clock_ns,
                sending_ms=chosen.sending_ms,
                seq=output.number(),
                symbol=self.symbol,
                flags=chosen.flags & _KEPT_FLAGS,
                entries=len(chosen.content[2]),
                received=chosen.content[1],
            )
            if self.symbol is not None and chosen.content[0] in _BOOK_TYPES:
                self._apply(message, sighting, which, known, output)
            position = Position(f"{RECORDERS[which]}/{chosen.position.segment}", chosen.position.offset)
            output.rows.judged(message, chosen.content[0], chosen.size, position)
            output.sighting(message.at_ns, message.seq, self.symbol, sighting, which)

    def key_frame(self, output: Output) -> None:
        """Write down the whole book by the rule of a recorder: once it changed by more rows than it has levels."""
        book = self.book
        if book is None or self.symbol is None or not self._stands or book.rows <= len(book.bids) + len(book.offers):
            return
        output.rows.key_frame(self.symbol, book)
        book.rows = 0

    @property
    def _stands(self) -> bool:
        return self.book is not None and self.book.state is BookState.LIVE and self.sequenced

    def _is_covered(self, line: Sequence[Sighting], index: int) -> bool:
        """Return whether the next refresh follows from where the book stands, whatever the snapshot before it says."""
        if not self._stands:
            return False
        following = (it for it in line[index + 1 : index + 1 + _AHEAD] if not _is_snapshot(it))
        after = next(following, None)
        return after is not None and self._follows(after)

    def _follows(self, sighting: Sighting) -> bool:
        """Return whether a recorder saw a message right after the one that the book stands at."""
        return any(
            seen is not None and reach is not None and seen.before == reach
            for seen, reach in zip(sighting, self.reach, strict=True)
        )

    def _holds(self, snapshot: Seen) -> bool:
        """Return whether the book is the one of a snapshot."""
        assert self.book is not None
        sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for entry in snapshot.content[2]:
            if entry.size:
                sides[entry.entry_type][entry.price] = entry.size
        held = (dict(self.book.bids.levels()), dict(self.book.offers.levels()))
        return held == sides

    def _apply(self, message: Message, sighting: Sighting, which: int, known: Known, output: Output) -> None:
        chosen = sighting[which]
        assert chosen is not None and self.symbol is not None  # noqa: PT018
        if chosen.is_snapshot:
            self._snapshot(message, chosen, which, known, output)
            return
        book = self._book_for(chosen, which, known)
        if self._stands and not self._follows(sighting):
            text = "neither recorder saw this message right after the one before it"
            self._suspect(message, Kind.SUSPECT, output, text=text)
            self.sequenced = False
        self.reach = [None if seen is None else seen.ref for seen in sighting]
        decoded = self._decoded(chosen, book)
        follows = book.state is BookState.LIVE and not decoded.beyond_precision
        applied = book.refresh(decoded)
        if applied.verdict is Verdict.MISMATCH:
            book.suspect()
            expected, computed = str(decoded.checksum), str(applied.computed)
            self._suspect(message, Kind.MISMATCH, output, expected=expected, received=computed)
        elif applied.verdict is Verdict.VERIFIED:
            book.good_ns = message.at_ns
        self._write(message, decoded, applied, output, follows=follows)

    def _snapshot(self, message: Message, chosen: Seen, which: int, known: Known, output: Output) -> None:
        had_book = self._stands
        same = had_book and self._holds(chosen)
        if had_book and not same:
            self._suspect(message, Kind.SUSPECT, output, text="neither recorder saw all that led to this snapshot")
        last_ns = self.book.good_ns if self.book is not None else None
        instrument, depth = self._instrument(chosen, known), self._depth(chosen, which, known)
        book = self.book
        if book is None or book.depth != depth or book.instrument != instrument:
            book = self.book = Book(instrument, depth)
            if last_ns is not None:
                book.good_ns = last_ns
        if not same:
            self.reach = [None, None]
        self.reach[which] = chosen.ref
        decoded = self._decoded(chosen, book)
        applied = book.snapshot(decoded)
        self.sequenced = True
        output.rows.event(
            message.at_ns, Kind.SNAPSHOT, symbol=self.symbol, seq=message.seq, count=len(chosen.content[2])
        )
        if book.state is BookState.LIVE and applied.verdict is not Verdict.MISMATCH:
            book.good_ns = message.at_ns
            if self.suspect_since is not None:
                span = (self.suspect_since, message.at_ns)
                output.rows.event(message.at_ns, Kind.HEALED, symbol=self.symbol, seq=message.seq, span=span)
                self.suspect_since = None
        message.flags |= Flag.SNAPSHOT
        self._write(message, decoded, applied, output, follows=not decoded.beyond_precision)

    def _write(self, message: Message, decoded: Decoded, applied: Applied, output: Output, *, follows: bool) -> None:
        """Write the rows of one message, as a recorder does."""
        book = self.book
        assert book is not None
        message.verdict, message.computed = applied.verdict, applied.computed
        proof: int = Proof.SEQUENCE if self.sequenced else 0
        if applied.violations:
            text = "; ".join(map(str, applied.violations[:_VIOLATIONS_SHOWN]))
            count = len(applied.violations)
            output.rows.event(
                message.at_ns, Kind.INVARIANT, symbol=self.symbol, seq=message.seq, count=count, text=text
            )
        else:
            proof |= Proof.INVARIANTS
        flags = message.flags
        output.rows.trades(message, decoded, proof, flags)
        if applied.verdict is Verdict.VERIFIED:
            proof |= Proof.CHECKSUM
        message.proof = proof
        if not self._stands:
            flags |= Flag.SUSPECT_BOOK
        output.rows.changes(message, applied, proof, flags, level=2)
        if not follows or not applied.changes:
            return
        snapshot = bool(flags & Flag.SNAPSHOT)
        book.rows = 0 if snapshot else book.rows + len(applied.changes)
        book.last_ns, book.last_ms, book.last_seq = message.at_ns, message.sending_ms, message.seq
        book.proof = proof
        if book.moved() or snapshot:
            output.rows.quote(message, book, proof, flags)

    def _suspect(
        self,
        message: Message,
        kind: Kind,
        output: Output,
        *,
        text: str | None = None,
        expected: str | None = None,
        received: str | None = None,
    ) -> None:
        """Say that the book is not believed any more, and since when."""
        assert self.book is not None
        if self.suspect_since is None:
            self.suspect_since = self.book.good_ns if self.book.good_ns != NULL else message.at_ns
        output.rows.event(
            message.at_ns,
            kind,
            symbol=self.symbol,
            seq=message.seq,
            span=(self.suspect_since, message.at_ns),
            text=text,
            expected=expected,
            received=received,
        )

    def _book_for(self, chosen: Seen, which: int, known: Known) -> Book:
        if self.book is None:
            self.book = Book(self._instrument(chosen, known), self._depth(chosen, which, known))
        return self.book

    def _instrument(self, chosen: Seen, known: Known) -> Instrument:
        assert self.symbol is not None
        found = known.instrument(self.symbol, chosen.ref.receive_ns)
        if found is not None:
            return found
        scales = max(((it.price_scale, it.size_scale) for it in _of_book(chosen)), default=(0, 0))
        return Instrument(self.symbol, *scales, 0, 0, "", "", "", "", "", 0)

    def _depth(self, chosen: Seen, which: int, known: Known) -> int:
        assert self.symbol is not None
        return known.depth(which, self.symbol, chosen.ref.receive_ns) or UNCUT

    def _decoded(self, chosen: Seen, book: Book) -> Decoded:
        assert self.symbol is not None
        scales = (book.price_scale, book.size_scale)
        beyond = any((it.price_scale, it.size_scale) != scales for it in _of_book(chosen))
        return Decoded("", self.symbol, list(chosen.content[2]), chosen.content[1], beyond)


_AHEAD: Final = 8  # Snapshots in a row behind which a refresh is looked for.
_VIOLATIONS_SHOWN: Final = 3


def _of_book(seen: Seen) -> list[Entry]:
    return [entry for entry in seen.content[2] if entry.entry_type != TRADE]


def _is_snapshot(sighting: Sighting) -> bool:
    return any(seen is not None and seen.is_snapshot for seen in sighting)


def _better(sighting: Sighting) -> int:
    """Return whose row is taken: of one that is proven where the other is not, else of whoever was first."""
    a, b = sighting
    if a is None or b is None:
        return 0 if b is None else 1
    if (a.proof == PROVEN) != (b.proof == PROVEN):
        return 0 if a.proof == PROVEN else 1
    return 0 if a.ref.receive_ns <= b.ref.receive_ns else 1
