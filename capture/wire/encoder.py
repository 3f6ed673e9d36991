"""Fields to the bytes of a message, BodyLength(9) and CheckSum(10) added by simplefix.

Layer: wire. Source: venue reference 2.4, the field order seen in its captures.
Left to others: which fields, and their numbers (`session`).
"""

from collections.abc import Iterable
from typing import Final

import simplefix

from capture.wire import tags
from capture.wire.message import Field

# After 8, 9, 35: session messages carry 49, 56 before 34; application messages are in ascending order.
_ADMIN_HEADER: Final = (tags.SENDER_COMP_ID, tags.TARGET_COMP_ID, tags.MSG_SEQ_NUM, tags.SENDING_TIME)
_APPLICATION_HEADER: Final = (tags.MSG_SEQ_NUM, tags.SENDER_COMP_ID, tags.SENDING_TIME, tags.TARGET_COMP_ID)
_ADMIN_ORDER: Final = tags.ADMIN_TYPES | {tags.SECURITY_LIST}  # The venue's list comes in the session's order.


def encode(
    msg_type: bytes,
    body: Iterable[Field],
    *,
    msg_seq_num: int,
    sender: bytes,
    target: bytes,
    sending_text: bytes,
    begin_string: bytes = tags.BEGIN_STRING_VALUE,
) -> bytes:
    """Return the frame of a message; its body keeps the order given.

    Errors: AssertionError for an empty value or an SOH inside one; that would be our bug.
    """
    header = {
        tags.MSG_SEQ_NUM: b"%d" % msg_seq_num,
        tags.SENDER_COMP_ID: sender,
        tags.TARGET_COMP_ID: target,
        tags.SENDING_TIME: sending_text,
    }
    message = simplefix.FixMessage()
    message.append_pair(tags.BEGIN_STRING, begin_string)
    message.append_pair(tags.MSG_TYPE, msg_type)
    for tag in _ADMIN_HEADER if msg_type in _ADMIN_ORDER else _APPLICATION_HEADER:
        message.append_pair(tag, header[tag])
    for tag, value in body:
        assert value, f"tag {tag} has no value"
        assert tags.SOH not in value, f"tag {tag} has SOH in its value"
        message.append_pair(tag, value)
    encoded: bytes = message.encode()
    return encoded
