"""One symbol's book along the one line: what every message did to it, told anew.

Layer: storage, above lines and the aligner. Uses the book of `capture`; no file, no clock.
Source: `capture.feed`, with one difference: what is missing is known from two recorders. As there, runs of what has no
    consequences go by a compiled lane (`storage.union.kernel`), and all else message by message here.
Left to others: the line (`storage.union.united`), windows and commits (`storage.union.unite`).

The book follows a refresh without doubt where either recorder saw it right after the message that the book stands at:
nothing lies between them then. Where neither did, the refresh is applied all the same, as nobody can ask the venue now;
but the book is suspect until a snapshot, and what its checksum says is said of its top alone.

A snapshot within what the other recorder saw without a hole is that recorder's book already: it is told as a sighting
and changes nothing. Elsewhere it is where the book begins anew.
"""

from dataclasses import dataclass, field
from typing import Final

from capture.book.book import Applied, Book, BookState
from capture.book.invariants import Invariant, Violation
from capture.columns import NULL, Flag, Proof, Verdict
from capture.findings import Kind
from capture.market.decoder import TRADE, Decoded, Entry
from capture.market.instruments import Instrument
from capture.market.requests import UNCUT
from storage.union.kernel import NO_ROOM, NOTABLE, NOWHERE, Runner
from storage.union.known import Known
from storage.union.line import Ref, Seen
from storage.union.output import Output
from storage.union.united import United

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
    _places: list[int] = field(default_factory=lambda: [NOWHERE, NOWHERE])  # `reach` in the line at hand.

    def take(self, line: United, count: int, known: Known, output: Output) -> None:
        """Take the first so many messages of a line; the others are looked at, and taken by a later call."""
        self._places = [
            line.begins[which] - 1 if reach is not None and reach == taken else NOWHERE
            for which, (reach, taken) in enumerate(zip(self.reach, self.taken, strict=True))
        ]
        index = 0
        while index < count:
            if self.symbol is not None and self._stands:
                index = self._run(line, index, count, output)
            if index < count:
                self._one(line, index, known, output)
                index += 1
        for which, place in enumerate(self._places):
            if place != line.begins[which] - 1:
                self.reach[which] = None if place == NOWHERE else line.lines.ref(place)
            last = line.last(which, count)
            if last is not None:
                self.taken[which] = last

    def _run(self, line: United, index: int, count: int, output: Output) -> int:
        """Take what has no consequences, or none beyond an event; return the next message, which is for `_one`."""
        assert self.book is not None and self.symbol is not None  # noqa: PT018
        runner = line.lines.runner
        output.bind(line.lines)
        runner.begin(self.book, output.rows.columns.names["symbol"].code(self.symbol))
        runner.clock_ns, runner.next_seq = self.clock_ns, output.next_seq
        runner.reach_a, runner.reach_b = self._places
        while True:
            index = runner.run((line.of_a, line.of_b), index, count)
            if runner.stopped == NOTABLE:
                self._notable(line, index - 1, runner, output)
            elif runner.stopped == NO_ROOM:
                output.make_room(line.lines, line.sighting(index))
            if runner.stopped not in (NOTABLE, NO_ROOM) or not self._stands:
                break
        self.clock_ns, output.next_seq = runner.clock_ns, runner.next_seq
        self._places = [runner.reach_a, runner.reach_b]
        return index

    def _notable(self, line: United, index: int, runner: Runner, output: Output) -> None:
        """Say what the last message of a run came to: its rows are there already, and its book is what it is."""
        at_ns, seq = runner.clock_ns, runner.next_seq - 1
        if runner.verdict == Verdict.MISMATCH:
            a, b = line.sighting(index)
            expected = line.lines.checksum[b if a < 0 else a]
            self._suspect(at_ns, seq, Kind.MISMATCH, output, expected=str(expected), received=str(runner.computed))
        if runner.violation_count:
            violations = [Violation(Invariant(kind), first, second) for kind, first, second in runner.violations()]
            self._violated(at_ns, seq, violations, runner.violation_count, output)

    def _one(self, line: United, index: int, known: Known, output: Output) -> None:
        """Take one message, whatever it is."""
        which = line.better(index)
        sighting = line.sighting(index)
        place = sighting[which]
        chosen = line.lines.seen(place)
        if chosen.is_snapshot and self._is_covered(line, index):
            if self._holds(chosen):
                self._places[which] = place
            output.sighting(chosen.ref.receive_ns, None, self.symbol, line.lines, sighting, which)
            return
        self.clock_ns = max(self.clock_ns, chosen.ref.receive_ns)
        message = Message(
            at_ns=self.clock_ns,
            sending_ms=chosen.sending_ms,
            seq=output.number(),
            symbol=self.symbol,
            flags=chosen.flags & _KEPT_FLAGS,
            entries=len(chosen.entries),
            received=chosen.checksum,
        )
        if self.symbol is not None and chosen.msg_type in _BOOK_TYPES:
            self._apply(message, line, index, chosen, which, known, output)
        output.rows.judged(message, chosen.msg_type, chosen.size, chosen.position)
        output.sighting(message.at_ns, message.seq, self.symbol, line.lines, sighting, which)

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

    def _is_covered(self, line: United, index: int) -> bool:
        """Return whether the next refresh follows from where the book stands, whatever the snapshot before it says."""
        if not self._stands:
            return False
        ahead = range(index + 1, min(index + 1 + _AHEAD, line.count))
        after = next((it for it in ahead if not line.is_snapshot(it)), None)
        return after is not None and self._follows(line, after)

    def _follows(self, line: United, index: int) -> bool:
        """Return whether a recorder saw a message right after the one that the book stands at."""
        return any(
            place >= 0 and line.lines.linked[place] and reach == place - 1
            for place, reach in zip(line.sighting(index), self._places, strict=True)
        )

    def _holds(self, snapshot: Seen) -> bool:
        """Return whether the book is the one of a snapshot."""
        assert self.book is not None
        sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for entry in snapshot.entries:
            if entry.size:
                sides[entry.entry_type][entry.price] = entry.size
        held = (dict(self.book.bids.levels()), dict(self.book.offers.levels()))
        return held == sides

    def _apply(
        self, message: Message, line: United, index: int, chosen: Seen, which: int, known: Known, output: Output
    ) -> None:
        sighting = line.sighting(index)
        if chosen.is_snapshot:
            self._snapshot(message, chosen, which, known, output)
            self._places[which] = sighting[which]
            return
        book = self._book_for(chosen, which, known)
        if self._stands and not self._follows(line, index):
            text = "neither recorder saw this message right after the one before it"
            self._suspect(message.at_ns, message.seq, Kind.SUSPECT, output, text=text)
            self.sequenced = False
        self._places = [NOWHERE if place < 0 else place for place in sighting]
        decoded = self._decoded(chosen, book)
        follows = book.state is BookState.LIVE and not decoded.beyond_precision
        applied = book.refresh(decoded)
        if applied.verdict is Verdict.MISMATCH:
            book.suspect()
            expected, computed = str(decoded.checksum), str(applied.computed)
            self._suspect(message.at_ns, message.seq, Kind.MISMATCH, output, expected=expected, received=computed)
        elif applied.verdict is Verdict.VERIFIED:
            book.good_ns = message.at_ns
        self._write(message, decoded, applied, output, follows=follows)

    def _snapshot(self, message: Message, chosen: Seen, which: int, known: Known, output: Output) -> None:
        had_book = self._stands
        same = had_book and self._holds(chosen)
        if had_book and not same:
            text = "neither recorder saw all that led to this snapshot"
            self._suspect(message.at_ns, message.seq, Kind.SUSPECT, output, text=text)
        last_ns = self.book.good_ns if self.book is not None else None
        instrument, depth = self._instrument(chosen, known), self._depth(chosen, which, known)
        book = self.book
        if book is None or book.depth != depth or book.instrument != instrument:
            book = self.book = Book(instrument, depth)
            if last_ns is not None:
                book.good_ns = last_ns
        if not same:
            self._places = [NOWHERE, NOWHERE]
        decoded = self._decoded(chosen, book)
        applied = book.snapshot(decoded)
        self.sequenced = True
        output.rows.event(message.at_ns, Kind.SNAPSHOT, symbol=self.symbol, seq=message.seq, count=len(chosen.entries))
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
            self._violated(message.at_ns, message.seq, applied.violations, len(applied.violations), output)
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

    def _violated(self, at_ns: int, seq: int, violations: list[Violation], count: int, output: Output) -> None:
        """Say which invariants do not hold; of many, the first."""
        text = "; ".join(map(str, violations[:_VIOLATIONS_SHOWN]))
        output.rows.event(at_ns, Kind.INVARIANT, symbol=self.symbol, seq=seq, count=count, text=text)

    def _suspect(
        self,
        at_ns: int,
        seq: int,
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
            self.suspect_since = self.book.good_ns if self.book.good_ns != NULL else at_ns
        output.rows.event(
            at_ns,
            kind,
            symbol=self.symbol,
            seq=seq,
            span=(self.suspect_since, at_ns),
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
        return Decoded("", self.symbol, list(chosen.entries), chosen.checksum, beyond)


_AHEAD: Final = 8  # Snapshots in a row behind which a refresh is looked for.
_VIOLATIONS_SHOWN: Final = 3


def _of_book(seen: Seen) -> list[Entry]:
    return [entry for entry in seen.entries if entry.entry_type != TRADE]
