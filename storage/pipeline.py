"""The one way from records to the lake, taken live and by a rebuild alike.

Layer: storage. Joins feed, batcher and lake; reads no clock.
Source: design section 3, "the core is a function of the journal".
"""

from typing import Final

from capture.feed import Feed
from capture.session.rollover_window import KRAKEN_ROLLOVER
from capture.session.session import Role, Session, SessionSettings
from storage.batcher import Batch, Batcher
from storage.journal.reader import Record, RecordKind
from storage.lake import BatchReport, Keep, Lake

RECORDER: Final = "fixtape"


def app_id_of(run: str) -> str:
    """Return the name under which a run writes to the lake: each run is a writer of its own."""
    return f"{RECORDER}/{run}"


def recorder_session(sender: str, target: str, *, heartbeat_s: int = 60, answers: bool) -> Session:
    """Return the market-data session of a recorder: numbers begin anew at each logon.

    answers: False for a rebuild, which is told what was sent.
    """
    settings = SessionSettings(
        Role.INITIATOR,
        sender=sender.encode(),
        target=target.encode(),
        heartbeat_s=heartbeat_s,
        reset=True,
        rollover=KRAKEN_ROLLOVER,
        answers=answers,
    )
    return Session(settings)


def tell(feed: Feed, batcher: Batcher, record: Record) -> None:
    """Tell a feed what a record of the journal says happened, its batch cut before it where one ends."""
    at_ns = record.at_ns
    match record.kind:
        case RecordKind.OPENED:
            assert record.connection is not None
            batcher.advance(at_ns)
            feed.opened(at_ns, at_ns, record.connection)
        case RecordKind.RECEIVED:
            batcher.advance(at_ns)
            feed.received(at_ns, at_ns, record.data, record.position)
        case RecordKind.SENT:
            batcher.advance(at_ns)
            feed.sent(at_ns, at_ns, record.data)
        case RecordKind.CLOSED | RecordKind.RESET:
            batcher.advance(at_ns)
            feed.closed(at_ns, str((record.fields or {}).get("reason") or ""))
        case RecordKind.NOTE:
            batcher.advance(at_ns)
            fields = record.fields or {}
            since_ns = fields.get("since_ns")
            told_since_ns = since_ns if isinstance(since_ns, int) else None
            feed.noted(at_ns, str(fields.get("kind")), str(fields.get("text") or ""), told_since_ns)
    feed.take_findings()  # Nobody acts upon them: what was asked of the venue is in the journal.


def write_batch(lake: Lake, batch: Batch, software: str, keep: Keep | None = None) -> BatchReport:
    """Write one batch; tables that hold it already are left alone.

    Each run is a writer of its own to the lake: a run that was killed before its last commit can be completed by a
    rebuild after another run has begun. Its columns are let go of once they are written.
    """
    report = lake.write_batch(
        batch.columns,
        label=batch.label,
        version=batch.number,
        app_id=app_id_of(batch.run),
        at_ns=batch.end_ns,
        metadata={"fixtape.run": batch.run, "fixtape.software": software},
        keep=keep,
    )
    batch.columns.let_go()
    return report
