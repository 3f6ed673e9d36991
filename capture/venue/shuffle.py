"""Every field that may stand elsewhere, put elsewhere.

Layer: venue. Source: FIX 4.4 volume 1, "Message format"; venue reference 2.4: 8, 9, 35 first, 10 last, the header
before the body, and in a group the first field of each entry; nothing else about order may be relied on.
"""

from random import Random
from typing import Final

from capture.wire import tags
from capture.wire.message import Field, split

_HEADER: Final = frozenset(
    {
        tags.MSG_SEQ_NUM, tags.SENDER_COMP_ID, tags.TARGET_COMP_ID, tags.SENDING_TIME, tags.POSS_DUP_FLAG,
        tags.ORIG_SENDING_TIME,
    }
)  # fmt: skip
# NoXxx: the delimiter of its entries is whatever comes first in them; these are the tags that belong to an entry.
_GROUPS: Final = {
    tags.NO_MD_ENTRIES: frozenset(
        {
            tags.MD_UPDATE_ACTION, tags.MD_ENTRY_TYPE, tags.MD_ENTRY_ID, tags.MD_ENTRY_PX, tags.MD_ENTRY_SIZE,
            tags.MD_ENTRY_TIME, tags.MD_ENTRY_TIMESTAMP, tags.MD_ENTRY_TIME_QUEUE, tags.ORD_TYPE, tags.AGGRESSOR_SIDE,
        }
    ),
    tags.NO_RELATED_SYM: frozenset(
        {
            tags.SYMBOL, tags.MIN_TRADE_VOL, tags.QTY_PRECISION, tags.QTY_MIN, tags.QTY_MAX, tags.MINIMUM_COST,
            tags.PRICE_PRECISION, tags.TICK_SIZE, tags.ASSET_PAIR_STATUS,
        }
    ),
}  # fmt: skip


def shuffled(frame: bytes, random: Random) -> bytes:
    """Return the same message with its fields in another legal order, BodyLength(9) and CheckSum(10) to match."""
    begin, _, msg_type, *rest, _ = split(frame).fields
    header: list[list[Field]] = []
    body: list[list[Field]] = []
    at = 0
    while at < len(rest):
        tag = rest[at][0]
        end = at + 1
        members = _GROUPS.get(tag)
        while members is not None and end < len(rest) and (rest[end][0] in members or _amid(rest, end, members)):
            end += 1
        unit = rest[at:end]
        (header if tag in _HEADER else body).append(unit if members is None else _entries_shuffled(unit, random))
        at = end
    random.shuffle(header)
    random.shuffle(body)
    fields = [msg_type, *(it for unit in (*header, *body) for it in unit)]
    text = b"".join([b"%d=%b\x01" % it for it in fields])
    head = b"%d=%b\x019=%d\x01" % (*begin, len(text))
    return b"%b%b10=%03d\x01" % (head, text, (sum(head) + sum(text)) & 0xFF)


def _amid(rest: list[Field], at: int, members: frozenset[int]) -> bool:
    """Return whether 5041 stands within a group, as a switch can have it."""
    return rest[at][0] == tags.CHECKSUM_ORDER_BOOK and at + 1 < len(rest) and rest[at + 1][0] in members


def _entries_shuffled(unit: list[Field], random: Random) -> list[Field]:
    """Return a group, count first, with the fields of each entry behind its delimiter in another order."""
    if len(unit) < 2:
        return unit
    delimiter = unit[1][0]
    out = [unit[0]]
    entry: list[Field] = []
    for pair in (*unit[1:], (delimiter, b"")):
        if pair[0] == delimiter and entry:
            first, *others = entry
            random.shuffle(others)
            out += [first, *others]
            entry = []
        entry.append(pair)
    return out
