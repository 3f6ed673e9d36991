"""One frame as fields in their order, by tag, and in repeating groups.

Layer: wire. Knows fields and groups, no meaning of any of them.
Source: FIX 4.4 volume 1; venue reference 2.4: header and body fields are found by tag, never by place, and only the
first field of a group entry is fixed.
Left to others: required tags and their values (`session`, `market`).

`parse` is simplefix on exactly one framed message, for whatever is not on the fast lane; `split` is the fast lane's
form for messages without data fields. Both give the same `Message` for such messages, and a test holds them equal.
"""

from collections.abc import Collection, Iterator
from typing import Final

import simplefix

from capture.errors import MessageGarbled, ValueMalformed
from capture.wire import tags, values

Field = tuple[int, bytes]
FIELDS_LIMIT: Final = 1_000_000  # More than any message within the frame limit that is worth reading.
SIMPLEFIX_BYTES_LIMIT: Final = 16 * 1024  # It copies the rest of the frame at each field: quadratic.


class Message:
    """The fields of one frame, in order; the first of a tag found by `get`.

    origin: whatever its owner wants to know of it later, such as where its bytes are; nobody else looks at it.
    """

    __slots__ = ("_first", "fields", "frame", "origin")

    def __init__(self, fields: list[Field], frame: bytes) -> None:
        self.fields = fields
        self.frame = frame
        self.origin: object = None
        self._first: dict[int, bytes] = dict(reversed(fields))

    def __repr__(self) -> str:
        return f"Message(35={self.msg_type.decode('ascii', 'replace')}, {len(self.fields)} fields)"

    @property
    def msg_type(self) -> bytes:
        """MsgType(35); the framer saw to it that it is there."""
        return self._first[tags.MSG_TYPE]

    def get(self, tag: int) -> bytes | None:
        """Return the first value of a tag, or None."""
        return self._first.get(tag)

    def need(self, tag: int) -> bytes:
        """Return the first value of a tag. Errors: ValueMalformed where it is absent."""
        value = self._first.get(tag)
        if value is None:
            raise ValueMalformed(expected=f"tag {tag} in 35={self.msg_type.decode('ascii', 'replace')}", received=b"")
        return value

    def text(self, tag: int) -> str:
        """Return the first value of a tag as text, empty where absent; bytes that are no UTF-8 stay visible."""
        return self._first.get(tag, b"").decode("utf-8", "backslashreplace")

    def integer(self, tag: int) -> int:
        """Return the first value of a tag as an integer. Errors: ValueMalformed where absent or no integer."""
        return values.integer(self.need(tag))

    def flag(self, tag: int) -> bool:
        """Return a boolean that is false where absent. Errors: ValueMalformed."""
        value = self._first.get(tag)
        return value is not None and values.boolean(value)

    def group(self, delimiter: int, outside: Collection[int]) -> Iterator[dict[int, bytes]]:
        """Yield the entries of a repeating group as fields by tag.

        An entry runs from its delimiter to the next one, without the tags of `outside`, which belong to the message and
        not to the group wherever they stand. Tags that nobody knows stay with their entry.
        """
        entry: dict[int, bytes] | None = None
        for tag, value in self.fields:
            if tag == delimiter:
                if entry is not None:
                    yield entry
                entry = {tag: value}
            elif entry is not None and tag not in outside:
                entry.setdefault(tag, value)
        if entry is not None:
            yield entry


def _negative(tag: bytes) -> bool:
    """Return whether a tag is an integer below zero: no field, but a message that can be rejected by its number."""
    return tag[:1] == b"-" and tag[1:].isdigit()


def split(frame: bytes) -> Message:
    """Return the message of a frame that has no data field. Errors: MessageGarbled."""
    if frame.count(tags.SOH) > FIELDS_LIMIT:
        raise MessageGarbled(f"more than {FIELDS_LIMIT} fields")
    fields: list[Field] = []
    append = fields.append
    for part in frame[:-1].split(tags.SOH):
        tag, equals, value = part.partition(b"=")
        if not equals or not (tag.isdigit() or _negative(tag)) or len(tag) > values.DIGITS_LIMIT:
            raise MessageGarbled(f"a field is not tag=value: {part[:20]!r}")
        append((int(tag), value))
    return Message(fields, frame)


def parse(frame: bytes) -> Message:
    """Return the message of any frame, data fields taken by their length. Errors: MessageGarbled.

    A frame past `SIMPLEFIX_BYTES_LIMIT` is split: no message of the venue so long has a data field.
    """
    if len(frame) > SIMPLEFIX_BYTES_LIMIT:
        return split(frame)
    parser = simplefix.FixParser(allow_empty_values=True)
    parser.append_buffer(frame)
    try:
        parsed = parser.get_message()
    except simplefix.errors.ParsingError as error:
        raise MessageGarbled(f"a field is not tag=value: {error}") from None
    if parsed is None or parser.get_buffer():
        # simplefix ends a message at its first tag 10; the framer knows that the real one stands at the end.
        raise MessageGarbled("CheckSum(10) within the message, or a data field past its end")
    fields = [(int(tag), value) for tag, value in parsed.pairs]
    at = 0
    for _, value in fields:  # simplefix takes whatever int() takes: a sign, blanks, underscores.
        equals = frame.index(b"=", at)
        tag = frame[at:equals]
        if not (tag.isdigit() or _negative(tag)) or len(tag) > values.DIGITS_LIMIT:
            raise MessageGarbled(f"a field is not tag=value: {frame[at : at + 20]!r}")
        at = equals + len(value) + 2
    return Message(fields, frame)
