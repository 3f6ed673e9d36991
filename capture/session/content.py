"""What a message says, against the dictionary: the fault to reject it for, if any.

Layer: session. Pure: a message in, a fault or None out.
Source: FIX 4.4 volume 2, "Reject"; cases FRM-5b, VAL-1 to VAL-12.

Lenient is what a recorder is towards its venue: session messages have their required fields, and those the venue adds
are left alone; application messages are handed over as they come, for the tape is there to keep them. Strict checks
all of it, for a venue that is to be tested against.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from capture.errors import ValueMalformed
from capture.session.dictionary import (
    FIELD_TYPES,
    HEADER,
    MESSAGES,
    MSG_TYPES,
    REASONS,
    TRAILER,
    VALUES,
    FieldType,
    Group,
)
from capture.wire import tags, values
from capture.wire.message import Field, Message

# A Reject is never rejected; a Logout ends the session whatever it says; a Logon has its own checks.
_NEVER: Final = frozenset({tags.REJECT, tags.LOGOUT, tags.LOGON})
_LENIENT: Final = frozenset({tags.HEARTBEAT, tags.TEST_REQUEST, tags.RESEND_REQUEST})
_INT: Final = re.compile(rb"-?\d{1,18}")
_DECIMAL: Final = re.compile(rb"-?\d+(\.\d*)?|-?\.\d+")


class Fault(NamedTuple):
    """Why a message is refused.

    reason: SessionRejectReason(373).
    ends: the Text of the Logout that follows, where the fault ends the session.
    """

    reason: int
    tag: int
    ends: str = ""

    @property
    def text(self) -> str:
        """The standard's name of the reason."""
        return REASONS[self.reason]


def fault(message: Message, *, strict: bool) -> Fault | None:
    """Return the first fault of a message's content, or None."""
    if b"\x010" in message.frame or b"\x01-" in message.frame:
        odd = _odd_tag(message)
        if odd is not None:
            return odd
    msg_type = message.msg_type
    if msg_type in _NEVER or not (strict or msg_type in _LENIENT):
        return None
    if msg_type not in MSG_TYPES:
        return Fault(11, tags.MSG_TYPE)
    body = MESSAGES.get(msg_type)
    if body is None:
        return None  # Of FIX 4.4 and not spoken here: the application says so.
    found = _structure(message.fields, body) if strict else _repeated(message.fields, body)
    if found is not None:
        return found
    missing = next((tag for tag in sorted(body.required) if message.get(tag) is None), None)
    return Fault(1, missing) if missing is not None else None


def _odd_tag(message: Message) -> Fault | None:
    """Return the fault of a tag that is zero, negative, or has leading zeros."""
    frame, at = message.frame, 0
    for tag, value in message.fields:  # By the fields, for a data field may hold anything.
        equals = frame.index(b"=", at)
        if tag <= 0 or frame[at:equals] != b"%d" % tag:
            return Fault(0, tag)
        at = equals + len(value) + 2
    return None


def _repeated(fields: Sequence[Field], body: Group) -> Fault | None:
    """Return the fault of a field that stands twice or does not read; fields that nobody knows are left alone."""
    seen: set[int] = set()
    for tag, value in fields:
        if tag not in body.tags and tag not in HEADER:
            continue
        if tag in seen:
            return Fault(13, tag)
        seen.add(tag)
        found = _value(tag, value)
        if found is not None:
            return found
    return None


def _structure(fields: Sequence[Field], body: Group) -> Fault | None:
    """Return the fault of a field that is unknown, out of place, repeated or malformed."""
    at, seen, in_header = 0, set[int](), True
    while at < len(fields):
        tag, value = fields[at]
        at += 1
        if tag in HEADER and not in_header:
            return Fault(14, tag)
        in_header = in_header and tag in HEADER
        if tag in TRAILER and any(later not in TRAILER for later, _ in fields[at:]):
            return Fault(14, tag)
        found = _unknown(tag, body) or _value(tag, value)
        if found is None and tag in seen:
            found = Fault(13, tag)
        if found is not None:
            return found
        seen.add(tag)
        if tag in body.groups:
            at, found = _entries(fields, at, tag, int(value), body.groups[tag])
            if found is not None:
                return found
    return None


def _unknown(tag: int, body: Group) -> Fault | None:
    if tag in body.tags or tag in HEADER or tag in TRAILER:
        return None
    return Fault(2 if tag in FIELD_TYPES else 0, tag)


def _entries(fields: Sequence[Field], at: int, count_tag: int, count: int, group: Group) -> tuple[int, Fault | None]:
    """Return where a group's entries end, and what is wrong with them."""
    entries = 0
    seen: set[int] = set()
    while at < len(fields) and fields[at][0] in group.tags:
        tag, value = fields[at]
        at += 1
        if tag == group.first:
            if entries and not group.required <= seen:
                return at, Fault(1, min(group.required - seen))
            entries += 1
            seen = set()
        elif not entries:
            return at, Fault(15, tag)
        found = _value(tag, value) or (Fault(13, tag) if tag in seen else None)
        if found is not None:
            return at, found
        seen.add(tag)
        if tag in group.groups:
            at, found = _entries(fields, at, tag, int(value), group.groups[tag])
            if found is not None:
                return at, found
    if entries != count:
        return at, Fault(16, count_tag)
    if entries and not group.required <= seen:
        return at, Fault(1, min(group.required - seen))
    return at, None


def _value(tag: int, value: bytes) -> Fault | None:
    """Return the fault of one value by the type of its field."""
    if not value:
        return Fault(4, tag)
    kind = FIELD_TYPES.get(tag, FieldType.TEXT)
    if kind is not FieldType.DATA and tags.SOH in value:
        return Fault(17, tag)
    if not _reads(kind, value):
        return Fault(6, tag)
    allowed = VALUES.get(tag)
    return Fault(5, tag) if allowed is not None and value not in allowed else None


def _reads(kind: FieldType, value: bytes) -> bool:
    match kind:
        case FieldType.INT:
            return _INT.fullmatch(value) is not None
        case FieldType.DECIMAL:
            return _DECIMAL.fullmatch(value) is not None
        case FieldType.CHAR:
            return len(value) == 1
        case FieldType.BOOLEAN:
            return value in {b"Y", b"N"}
        case FieldType.TIMESTAMP | FieldType.TIME:
            try:
                _ = values.timestamp_ns(value) if kind is FieldType.TIMESTAMP else values.time_of_day_ns(value)
            except ValueMalformed:
                return False
    return True
