"""A frame said otherwise: some of its values, or its body, replaced, and framed anew.

Layer: venue. For faults and for switches; what nobody asked to change keeps its place.
"""

from collections.abc import Collection, Mapping
from typing import Final

from capture.wire import tags
from capture.wire.message import Field, split

_HEADER: Final = frozenset(
    {tags.MSG_TYPE, tags.MSG_SEQ_NUM, tags.SENDER_COMP_ID, tags.TARGET_COMP_ID, tags.SENDING_TIME}
)


def rebuilt(
    frame: bytes,
    changes: Mapping[int, bytes],
    *,
    without: Collection[int] = (),
    body: tuple[Field, ...] | None = None,
) -> bytes:
    """Return a frame with other values, or another body, and with BodyLength(9) and CheckSum(10) to match."""
    begin, _, *fields, _ = split(frame).fields
    fields = [(tag, changes.get(tag, value)) for tag, value in fields if tag not in without]
    if body is not None:
        fields = [*(it for it in fields if it[0] in _HEADER), *body]
    text = b"".join([b"%d=%b\x01" % it for it in fields])
    head = b"%d=%b\x019=%d\x01" % (*begin, len(text))
    return b"%b%b10=%03d\x01" % (head, text, (sum(head) + sum(text)) & 0xFF)
