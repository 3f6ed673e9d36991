"""What a session does at the venue's daily roll-over, and what counts as its planned end then.

Layer: session. A function of the times of facts, never of a clock, so that a rebuild sees the same.
Source: venue reference 1.5; cases RES-6 to RES-8, RST-8.
Left to others: when it is (`session.rollover_window`).
"""

from typing import TYPE_CHECKING

from capture.session import events
from capture.session.states import State
from capture.wire import values

if TYPE_CHECKING:
    from capture.session.core import Core


def planned(core: "Core", wall_ns: int | None, how: str) -> bool:
    """Return whether an end at this time is planned; told as an event, once for each roll-over.

    how: the form in which it showed.
    """
    window = core.settings.rollover
    moment = None if window is None or wall_ns is None else window.moment(wall_ns)
    if moment is None:
        return False
    if core.rolled_ns != moment:
        core.rolled_ns = moment
        core.new_day = True
        core.happened.append(events.RolledOver(how))
    return True


def due(core: "Core", wall_ns: int) -> int | None:
    """Return the roll-over that a connection opened before it waits for, once its window has begun; or None."""
    window = core.settings.rollover
    moment = None if window is None else window.moment(wall_ns)
    if moment is None or core.rolled_ns == moment or (core.opened_wall_ns or 0) >= moment:
        return None
    return moment


def day(core: "Core", wall_ns: int) -> int:
    """Return which roll-over's day a time belongs to; 0 where there is no roll-over."""
    window = core.settings.rollover
    return 0 if window is None else max(window.day(wall_ns), 0)


def passing(core: "Core") -> bool:
    """Return whether the venue is rolling over right now."""
    window = core.settings.rollover
    moment = None if window is None else window.moment(core.wall_ns)
    return (
        window is not None
        and moment is not None
        and moment <= core.wall_ns < moment + window.lasts_s * values.SECOND_NS
    )


def end_quietly(core: "Core") -> None:
    """End the session as planned: log out without a reason, hand nothing over any more."""
    if core.broken:
        return
    core.broken = True
    if core.state not in {State.LOGOUT_SENT, State.LOGOUT_RECEIVED}:  # There is one under way already.
        core.say_nothing_more()
        core.queue_logout("")
