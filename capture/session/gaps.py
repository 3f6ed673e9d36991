"""Numbers that are missing: asked for, filled over, reset.

Layer: session. Source: FIX 4.4 volume 2, cases GAP and RST.
Left to others: what is kept meanwhile (`sequence`), and answers to the other side's requests (`resend`).
"""

from capture.errors import ValueMalformed
from capture.session import events, rollover
from capture.session.content import Fault
from capture.session.core import Core
from capture.session.settings import RESEND_REQUESTS_LIMIT, RESEND_TIME_NS
from capture.session.states import Signal, State
from capture.wire import tags
from capture.wire.message import Message


def open_if_any(core: Core, mono_ns: int, *, ask: bool = True) -> None:
    """Open a gap where numbers are missing and none is open. ask: False where it is filled unasked."""
    if core.inbound.complete or core.state is not State.ACTIVE:
        return
    core.signal(Signal.GAP_OPENED)
    core.gap_end = core.inbound.highest_seen - 1
    core.gap_requests = 0
    core.happened.append(events.GapOpened(core.inbound.expected, core.gap_end))
    core.gap_asked_ns, core.gap_piece_end = mono_ns, 0
    if ask:
        _ask(core, mono_ns)


def close_if_whole(core: Core) -> None:
    """Close the gap where every number seen is accounted for."""
    if core.state is State.AWAITING_RESEND and core.inbound.complete:
        core.signal(Signal.GAP_CLOSED)
        core.happened.append(events.GapClosed(core.inbound.expected))


def progressed(core: Core, mono_ns: int) -> None:
    """Take note that a missing number came."""
    core.gap_asked_ns, core.gap_requests = mono_ns, min(core.gap_requests, 1)
    close_if_whole(core)
    if core.state is State.AWAITING_RESEND and 0 < core.gap_piece_end < core.inbound.expected:
        core.gap_requests -= 1  # The next piece, not the same again.
        _ask(core, mono_ns)


def watch(core: Core, mono_ns: int) -> None:
    """Ask again for what does not come, a bounded number of times."""
    if core.state is not State.AWAITING_RESEND or mono_ns - core.gap_asked_ns < RESEND_TIME_NS:
        return
    if core.gap_requests < RESEND_REQUESTS_LIMIT:
        _ask(core, mono_ns)
        return
    # Decided by a timer, which no journal knows: what follows from it follows from our Logout being sent.
    begin, end = core.inbound.expected, core.gap_end
    core.queue_logout(f"MsgSeqNum {begin} to {end} did not come after {core.gap_requests} ResendRequests")


def fill(core: Core, message: Message, seq_num: int) -> None:
    """Apply a gap fill (123=Y) in its turn."""
    try:
        new_seq_no = message.integer(tags.NEW_SEQ_NO)
    except ValueMalformed:
        core.inbound.advance(seq_num + 1)
        core.reject(message, Fault(1, tags.NEW_SEQ_NO))
        return
    if new_seq_no <= seq_num:
        core.inbound.advance(seq_num + 1)
        text = f"attempt to lower sequence number, invalid value NewSeqNo(36)={new_seq_no}"
        core.reject(message, Fault(5, tags.NEW_SEQ_NO), text)
        return
    core.inbound.advance(new_seq_no)
    core.happened.append(events.GapFilled(seq_num, new_seq_no - 1))


def pass_over(core: Core, to: int) -> None:
    """Account for numbers that came and of which our own journal has lost the bytes: nobody will send them again."""
    begin = core.inbound.expected
    if core.state is State.ACTIVE:
        core.happened.append(events.GapOpened(begin, to - 1))
    core.inbound.advance(to)
    core.happened.append(events.GapFilled(begin, to - 1))
    if core.state is State.ACTIVE:
        core.happened.append(events.GapClosed(to))
    else:
        close_if_whole(core)


def reset_by_peer(core: Core, message: Message) -> None:
    """Apply a SequenceReset by force (123=N), whatever its own number."""
    if core.initiator and rollover.planned(core, core.wall_ns, "SequenceReset"):
        rollover.end_quietly(core)
        return
    if not core.settings.takes_resets:
        core.reject(message, Fault(5, tags.GAP_FILL_FLAG), "SequenceReset with GapFillFlag(123) N is not taken")
        return
    try:
        new_seq_no = message.integer(tags.NEW_SEQ_NO)
    except ValueMalformed:
        core.reject(message, Fault(1, tags.NEW_SEQ_NO))
        return
    expected = core.inbound.expected
    if new_seq_no < expected:
        core.reject(message, Fault(5, tags.NEW_SEQ_NO))
        return
    core.happened.append(events.SequenceReset(expected, new_seq_no))
    core.inbound.reset(new_seq_no)
    close_if_whole(core)


def _ask(core: Core, mono_ns: int) -> None:
    core.gap_asked_ns = mono_ns
    if (due := rollover.due(core, core.wall_ns)) is not None and core.wall_ns >= due:
        return  # Nothing is resent across the roll-over.
    core.gap_requests += 1
    begin, span = core.inbound.expected, core.settings.resend_span
    # The last piece has no end, so that what was sent meanwhile comes with it.
    end = begin + span - 1 if span and begin + span - 1 < core.inbound.highest_seen - 1 else 0
    core.gap_piece_end = end
    core.queue(tags.RESEND_REQUEST, ((tags.BEGIN_SEQ_NO, b"%d" % begin), (tags.END_SEQ_NO, b"%d" % end)))
