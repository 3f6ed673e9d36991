"""Answers to the other side's ResendRequest(35=2).

Layer: session. Source: FIX 4.4 volume 2, cases RSD.
"""

from capture.errors import ValueMalformed
from capture.session import events
from capture.session.content import Fault
from capture.session.core import Core
from capture.wire import tags
from capture.wire.message import Message


def answer(core: Core, message: Message) -> None:
    """Fill over all that was asked for: session messages are never resent, and requests have gone stale."""
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
    new_seq_no = (min(end, last) if end else last) + 1
    body = ((tags.GAP_FILL_FLAG, b"Y"), (tags.NEW_SEQ_NO, b"%d" % new_seq_no))
    core.queue(tags.SEQUENCE_RESET, body, msg_seq_num=begin)
