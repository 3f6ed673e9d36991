"""The one way from records to the lake, taken live and by a rebuild alike.

Layer: storage. Joins feed, batcher and lake; reads no clock.
Source: design section 3, "the core is a function of the journal".
"""

from typing import Final

from capture.session.rollover import KRAKEN_ROLLOVER
from capture.session.session import Role, Session, SessionSettings
from storage.batcher import Batch
from storage.lake import BatchReport, Lake

RECORDER: Final = "fixtape"


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


def write_batch(lake: Lake, batch: Batch, software: str) -> BatchReport:
    """Write one batch; tables that hold it already are left alone.

    Each run is a writer of its own to the lake: a run that was killed before its last commit can be completed by a
    rebuild after another run has begun.
    """
    return lake.write_batch(
        batch.columns,
        label=batch.label,
        version=batch.number,
        app_id=f"{RECORDER}/{batch.run}",
        at_ns=batch.end_ns,
        metadata={"fixtape.run": batch.run, "fixtape.software": software},
    )
