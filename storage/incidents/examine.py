"""What the journal knows of an incident, written into its directory; also anew, from its own files.

Layer: storage, above `bundle` and `evidence`, below `keeper`. No clock, no thread.
"""

from pathlib import Path

from capture.book.comparison import Levels
from capture.findings import BookBroken, BookHealed
from capture.market.instruments import Instrument
from capture.wire.values import MILLISECOND_NS
from storage.errors import IncidentUnreadable
from storage.incidents.bundle import (
    OURS,
    SNAPSHOT,
    HealingInfo,
    Incident,
    PlaceInfo,
    read_book,
    read_incident,
    write_book,
    write_frames,
    write_incident,
)
from storage.incidents.evidence import Examined, examine
from storage.journal.lines import RECEIVED_MARK, SENT_MARK, message_line


def examine_again(path: Path, root: Path) -> Incident:
    """Return an incident as the journal tells it now, and write that down. root: a tape or its journal.

    Errors: IncidentUnreadable; JournalUnreadable; OSError.
    """
    incident = read_incident(path)
    levels = read_book(path, OURS, (incident.price_precision, incident.size_precision))
    if levels is None:
        raise IncidentUnreadable(path, f"{OURS} is not there")
    broken, healed = _broken(incident, levels), _healed(incident)
    complete(path, incident, broken, healed, examine(root, broken, healed, bytes_limit=None))
    return incident


def complete(path: Path, incident: Incident, broken: BookBroken, healed: BookHealed | None, examined: Examined) -> None:
    """Write what the journal knows into an incident's directory. Errors: OSError."""
    ours, following, scales = Levels(broken.bids, broken.offers), examined.following, _scales(broken)
    incident.cause, incident.detail = examined.classified.cause, examined.classified.detail
    incident.evidence = list(examined.classified.evidence)
    incident.last_good = None if examined.last_good is None else PlaceInfo.of(examined.last_good)
    beside = None  # The other book, where it is of the same precisions.
    if healed is not None:
        their_scales = (healed.instrument.price_precision, healed.instrument.size_precision)
        beside = following if their_scales == scales else None
        incident.healed = HealingInfo(
            session_id=healed.session_id,
            at=PlaceInfo.of(healed.at),
            after_ms=(healed.at.receive_ns - broken.at.receive_ns) // MILLISECOND_NS,
            price_precision=their_scales[0],
            size_precision=their_scales[1],
            levels_differing=None if beside is None else ours.differences(beside),
        )
        if following is not None:
            write_book(path, SNAPSHOT, following, None if beside is None else ours, their_scales)
    write_book(path, OURS, ours, beside, scales)
    write_frames(
        path,
        [str(message_line(it.at_ns, SENT_MARK if it.is_sent else RECEIVED_MARK, it.frame)) for it in examined.frames],
    )
    write_incident(path, incident)


def _broken(incident: Incident, levels: Levels) -> BookBroken:
    return BookBroken(
        symbol=incident.symbol,
        md_req_id=incident.md_req_id,
        session_id=incident.session_id,
        instrument=_instrument(incident.symbol, incident.price_precision, incident.size_precision),
        depth=incident.depth,
        level=incident.level,
        at=incident.at.place(),
        snapshot=incident.snapshot.place(),
        received=incident.checksum_received,
        computed=incident.checksum_computed,
        text=incident.text,
        bids=tuple(levels.bids),
        offers=tuple(levels.offers),
    )


def _healed(incident: Incident) -> BookHealed | None:
    healed = incident.healed
    if healed is None:
        return None
    instrument = _instrument(incident.symbol, healed.price_precision, healed.size_precision)
    return BookHealed(incident.symbol, healed.session_id, instrument, healed.at.place())


def _instrument(symbol: str, price_precision: int, size_precision: int) -> Instrument:
    """Return what of an instrument a book's levels depend on; its steps are held by invariants only."""
    return Instrument(symbol, price_precision, size_precision, 0, 0, "", "", "", "", "", 1)


def _scales(broken: BookBroken) -> tuple[int, int]:
    return broken.instrument.price_precision, broken.instrument.size_precision
