"""What a session of the venue has to say, as the switches have it said.

Layer: venue. Source: venue reference 3.6 and 3.7; row 20 of section 7.
Left to others: what is refused, and why (`session`, `venue.answers`, `venue.trading`).
"""

from typing import Final

from capture.venue.frames import rebuilt
from capture.venue.settings import SessionSwitches
from capture.wire import tags

_REASONS: Final = frozenset({tags.REF_TAG_ID, tags.REF_MSG_TYPE, tags.SESSION_REJECT_REASON})


def told(frame: bytes, settings: SessionSwitches) -> bytes:
    """Return a frame that is about to go out: a refusal with what this venue says in it, anything else as it is."""
    if b"\x0135=3\x01" in frame and not settings.reject_tags:
        return rebuilt(frame, {}, without=_REASONS)
    if b"\x0135=j\x01" in frame and settings.business_ref == "zero":
        return rebuilt(frame, {tags.REF_SEQ_NUM: b"0"})
    return frame
