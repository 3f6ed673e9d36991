"""A message of the journal as JSON with the names of its fields, for tools that read a line at a time.

Layer: journal, beside `lines`. Pure: messages in, text out.
Source: `capture.session.dictionary` for groups, `capture.session.names` for names.
Left to others: which messages (`selection`), telling them apart (`lines`).

    {"time":"2026-11-18T11:06:40.123456791Z","direction":"received","message":"MarketDataIncrementalRefresh",
     "fields":{"BeginString":"FIX.4.4",...,"MsgType":"X",...,"NoMDEntries":[{"MDUpdateAction":"0",...},...],"ChecksumOrderBook":"974947235",...}}

Values are the text that was sent, numbers too. Fields stand in the order of the message; a number without a name is
its own name. A group is a list in place of its count, if there are as many entries as the count says, each of which
begins with the same field; else its fields stand where they stand. A field that comes again has a list of its values.
What is no message has `raw`, a note `note` and its own fields. Everything outside printable ASCII is escaped.
"""

import json
from typing import Any, Final

from capture.errors import MessageGarbled
from capture.session.dictionary import MESSAGES, Group
from capture.session.names import FIELD_NAMES, MESSAGE_NAMES
from capture.wire import tags
from capture.wire.message import Field, parse
from storage.journal.lines import RECEIVED_MARK, Line
from storage.journal.times import iso_text

_BODY: Final = Group(0, frozenset(), frozenset(), {})


def json_line(line: Line) -> str:
    """Return one line of the log as JSON."""
    told: dict[str, Any] = {"time": iso_text(line.at_ns)}
    if line.message is None:
        told |= {"note": line.kind, **(line.fields or {})}
    else:
        told["direction"] = "received" if line.mark == RECEIVED_MARK else "sent"
        try:
            fields = parse(line.message).fields
        except MessageGarbled:
            told["raw"] = line.message.decode("latin-1")
        else:
            msg_type = dict(reversed(fields)).get(tags.MSG_TYPE, b"")
            if (name := MESSAGE_NAMES.get(msg_type.decode("latin-1"))) is not None:
                told["message"] = name
            told["fields"] = named(fields, MESSAGES.get(msg_type, _BODY))
    return json.dumps(told, separators=(",", ":")).replace("\x7f", "\\u007f")


def named(fields: list[Field], group: Group) -> dict[str, Any]:
    """Return fields by name, groups within them as lists."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(fields):
        tag, value = fields[at]
        at += 1
        entries: list[list[Field]] | None = None
        if tag in group.groups:
            entries, end = _entries(fields, at, group.groups[tag])
            if str(len(entries)).encode() == value:
                at = end
                _add(found, tag, [named(entry, group.groups[tag]) for entry in entries])
                continue
        _add(found, tag, _text(value))
    return found


def _entries(fields: list[Field], start: int, group: Group) -> tuple[list[list[Field]], int]:
    """Return the entries of a group that begins at a field, and where it ends."""
    entries: list[list[Field]] = []
    inside = _tags_of(group)
    end = start
    while end < len(fields) and fields[end][0] in inside:
        if fields[end][0] == fields[start][0]:
            entries.append([])
        entries[-1].append(fields[end])
        end += 1
    return entries, end


def _tags_of(group: Group) -> frozenset[int]:
    return group.tags.union(*map(_tags_of, group.groups.values()))


def _add(found: dict[str, Any], tag: int, value: Any) -> None:
    name = FIELD_NAMES.get(tag, str(tag))
    if name not in found:
        found[name] = value
        return
    first = found[name]
    found[name] = [*first, value] if isinstance(first, list) else [first, value]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
