"""Answers to the other side's ResendRequest(35=2).

Layer: session. Source: FIX 4.4 volume 2, cases RSD.

What may be sent again is in the store: application messages of the types agreed, as long as they are kept. Everything
else, session messages and requests gone stale among it, is filled over. The answer is made piece by piece while it
goes out, so that a range of any size needs no memory, and nothing new goes out in between.
"""

from collections.abc import Iterator

from capture.errors import ValueMalformed
from capture.session import events
from capture.session.content import Fault
from capture.session.core import Again, Core, Outbound, Resend
from capture.session.store import SentStore
from capture.wire import tags
from capture.wire.message import Message


def answer(core: Core, message: Message) -> None:
    """Have the range asked for sent again, or refuse the request."""
    numbers = []
    for tag in (tags.BEGIN_SEQ_NO, tags.END_SEQ_NO):
        try:
            numbers.append(message.integer(tag))
        except ValueMalformed:
            given = message.get(tag)
            core.reject(message, Fault(6 if given else 1, tag))
            return
    begin, end = numbers
    # What is queued already will bear the next numbers; only what went out can have been missed.
    last = core.next_out - 1
    if not 1 <= begin <= last or (end and end < begin):
        core.reject(message, Fault(5, tags.BEGIN_SEQ_NO if not 1 <= begin <= last else tags.END_SEQ_NO))
        return
    core.happened.append(events.ResendRequested(begin, end))
    core.queue_resend(begin, min(end, last) if end else last)


def pieces(store: SentStore, asked: Resend) -> Iterator[Again | Outbound]:
    """Yield the answer to a range: frames kept, and one gap fill for each run of numbers between them."""
    at = asked.begin
    for seq_num, frame in store.read(asked.begin, asked.end):
        if at < seq_num:
            yield _fill(at, seq_num)
        yield Again(frame)
        at = seq_num + 1
    if at <= asked.end:
        yield _fill(at, asked.end + 1)


def _fill(begin: int, new_seq_no: int) -> Outbound:
    body = ((tags.GAP_FILL_FLAG, b"Y"), (tags.NEW_SEQ_NO, b"%d" % new_seq_no))
    return Outbound(tags.SEQUENCE_RESET, body, msg_seq_num=begin, again=True)
