"""Conversations as text: one scenario a file, the same for a venue that plays it and for the tests of a session.

Layer: venue. Text to frames, and frames against text; no I/O but reading the file. Source: style guide section 7.

    # a comment; or a setting of whom the file is for: `role acceptor`, `heartbeat 30` …
    < 35=X 34=4 …              the other side sends; `34`, `49`, `56`, `52` and the framing are supplied where not given
    > 35=2 34=2 7=2 16=0       we send: the tags given must be so, `36=*` is any value, `43=-` is none
    ! GapFilled begin_seq_no=2 something happened on our side
    @ +61.000s                 time passes
    = log_out bye              something that the owner of our side does

In a `<` line a tag given as `52=-` is left out, `52=+130s` is that far off the clock, `262=$` is what our side said in
that tag last. What follows ` ~ ` are fields as they stand, parted by bars, at the end of the body; `^A` is SOH within a
value; ` | ` parts messages that come at once; `< raw text` is bytes as they stand, no frame made of them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from capture.errors import MisuseError
from capture.wire import tags, values
from capture.wire.message import Message

KINDS: Final = "<>!@="
FILE_BYTES_LIMIT: Final = 16 * 1024 * 1024
_FRAMING: Final = frozenset({tags.BEGIN_STRING, tags.BODY_LENGTH, tags.CHECK_SUM})
_SECRET: Final = frozenset({tags.PASSWORD, 96})  # Password and RawData: never shown.
_FIELDS: Final = re.compile(r"(?:\s+|\|)(?=\d+=)")
_OFF: Final = re.compile(r"[+-]\d{1,9}s")
_SPAN: Final = re.compile(r"\+?\d{1,9}(\.\d{1,9})?s")


class ConversationUnusable(MisuseError):
    """A file that cannot be played."""

    exit_code = 78

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")


class Conversation(NamedTuple):
    """A file. settings: of whom it is for, by name. lines: their numbers and texts, each beginning with its kind."""

    settings: dict[str, str]
    lines: list[tuple[int, str]]


def read(path: Path) -> Conversation:
    """Return the conversation of a file. Errors: OSError; ConversationUnusable for what is no text, or too long."""
    if path.stat().st_size > FILE_BYTES_LIMIT:
        raise ConversationUnusable(str(path), f"it is larger than {FILE_BYTES_LIMIT} bytes")
    settings: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConversationUnusable(str(path), f"it is no text: byte {error.start} is not UTF-8") from None
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line and line[0] in KINDS:
            lines.append((number, line))
        elif line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            settings[name] = value
    return Conversation(settings, lines)


def fields(text: str) -> list[tuple[int, str]]:
    """Return the fields of a text, parted by blanks or bars; a value may hold blanks. Errors: ValueError."""
    pairs = [part.partition("=") for part in _FIELDS.split(text.strip().rstrip("|"))]
    wrong = next((tag + equals for tag, equals, _ in pairs if not equals or not tag.isdigit()), None)
    if wrong is not None:
        raise ValueError(f"expected fields as tag=value, received {wrong[:40]!r}")
    return [(int(tag), value) for tag, _, value in pairs]


def span_ns(text: str) -> int:
    """Return how long `+61.000s` is. Errors: ValueError."""
    if not _SPAN.fullmatch(text.strip()):
        raise ValueError(f"expected a time like +61.000s, received {text.strip()!r}")
    whole, _, rest = text.strip().strip("+s").partition(".")
    return int(whole) * values.SECOND_NS + int(rest.ljust(9, "0"))


def frame(
    text: str, *, seq_num: int, sender: str, target: str, at_ns: int, said: Mapping[int, bytes] | None = None
) -> bytes:
    """Return the bytes of one message of a `<` line; header fields that it gives go before those supplied.

    said: what was said to it last, by tag. Errors: ValueError.
    """
    if text.startswith("raw "):
        return text[4:].encode().replace(b"^A", tags.SOH)
    text, _, raw = text.partition(" ~ ")
    given = [(tag, _value(tag, value, at_ns, said or {})) for tag, value in fields(text)]
    names = {tag for tag, _ in given}
    sending = values.timestamp_text(at_ns)
    header = {
        tags.MSG_SEQ_NUM: b"%d" % seq_num,
        tags.SENDER_COMP_ID: sender.encode(),
        tags.SENDING_TIME: sending,
        tags.TARGET_COMP_ID: target.encode(),
    }
    supplied = [it for it in header.items() if it[0] not in names]
    if (tags.POSS_DUP_FLAG, b"Y") in given and tags.ORIG_SENDING_TIME not in names:
        supplied.append((tags.ORIG_SENDING_TIME, sending))
    framing = {tag: value for tag, value in given if tag in _FRAMING}
    first, *rest = [it for it in given if it[0] not in _FRAMING]
    parts = [b"%d=%b" % it for it in (first, *supplied, *rest) if it[1] != b"-"]
    parts += [part.encode().replace(b"^A", tags.SOH) for part in raw.split("|") if raw]
    body = b"".join([part + tags.SOH for part in parts])
    head = b"8=%b\x019=%b\x01" % (
        framing.get(tags.BEGIN_STRING, tags.BEGIN_STRING_VALUE),
        framing.get(tags.BODY_LENGTH, b"%d" % len(body)),
    )
    total = framing.get(tags.CHECK_SUM, b"%03d" % ((sum(head) + sum(body)) & 0xFF))
    return head + body + b"10=%b\x01" % total


def next_number(text: str, seq_num: int) -> int:
    """Return the number after a message of a `<` line that is numbered so unless it says otherwise."""
    if text.startswith("raw "):
        return seq_num
    given = dict(fields(text.partition(" ~ ")[0]))
    number = given.get(tags.MSG_SEQ_NUM, str(seq_num))
    return int(number) + 1 if number.isdigit() and given.get(tags.POSS_DUP_FLAG) != "Y" else seq_num


def difference(text: str, message: Message) -> str:
    """Return where a message differs from a `>` line; empty where it does not. Errors: ValueError."""
    for tag, value in fields(text):
        received = message.get(tag)
        said = "-" if received is None else message.text(tag)
        if said != value and (value != "*" or received is None):
            return f"tag {tag} is {said} in {shown(message)}"
    return ""


def shown(message: Message) -> str:
    """Return a message as text, nothing secret in it."""
    return " ".join(
        f"{tag}={'***' if tag in _SECRET else value.decode('ascii', 'backslashreplace')}"
        for tag, value in message.fields
    )


def _value(tag: int, text: str, at_ns: int, said: Mapping[int, bytes]) -> bytes:
    if text == "$":
        if tag not in said:
            raise ValueError(f"{tag}=$ before anything was said in tag {tag}")
        return said[tag]
    if tag == tags.SENDING_TIME and _OFF.fullmatch(text):
        return values.timestamp_text(at_ns + int(text[:-1]) * values.SECOND_NS)
    return text.encode().replace(b"^A", tags.SOH)
