"""The pcapng layout of a journal segment: blocks as bytes, and bytes as blocks.

Layer: journal, lowest. Pure functions: knows no file, no clock and no FIX.
Source: draft-ietf-opsawg-pcapng, sections 3 and 4; RFC 5612 for the enterprise number.
Left to others: what is inside a packet (`packets`), where blocks stand in a file (`blocks`), their story (`reader`).

A segment is one Section Header Block, one Interface Description Block (raw IP, nanoseconds), Enhanced Packet Blocks,
and, once it is sealed, one Interface Statistics Block. What was compressed (`packed`) and decompressed again bears one
Custom Block after it. Everything is little endian. Every block ends alike:

    ... options | custom option 2989: enterprise 32473, CRC32 | opt_endofopt | block total length

That CRC32 covers every byte of the block before its option, and what follows has one valid form: any flipped bit shows.
epb_hash, which other tools know, covers the packet alone: it tells whether the packet or what is around it was hit.
The draft fixes no byte order for a CRC32 in epb_hash and prints it in the order of reading ("02 EC 1D 87 97"): it is
written in network order. The CRC32 of the custom option is ours, and little endian as the section is.
"""

from collections.abc import Iterator
from enum import IntEnum, StrEnum
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

SCHEMA: Final = 1  # Of the comments' JSON and of the layout; a reader refuses a higher one.

SECTION: Final = 0x0A0D0D0A
INTERFACE: Final = 1
STATISTICS: Final = 5
PACKET: Final = 6
INDEX: Final = 0x40000BAD  # A Custom Block that tools do not copy: it is of this file only.

BLOCK_BYTES_MIN: Final = 12  # Type, length, length.
BLOCK_BYTES_LIMIT: Final = 2**18  # A whole packet and a whole comment are 64 KiB each.
COMMENT_BYTES_LIMIT: Final = 2**16 - 1  # An option's length has 16 bits.
COMMENT_TEXT_LIMIT: Final = 2048  # Characters of one text in a comment: the venue writes some of them.

MAGIC: Final = 0x1A2B3C4D
LENGTH_UNKNOWN: Final = -1  # Of the section: it grows.
RAW_IP: Final = 101  # LINKTYPE_RAW: the packet begins with its IP header, version 4 or 6.
NANOSECONDS: Final = 9  # if_tsresol: a power of ten.
ENTERPRISE: Final = 32473  # RFC 5612: the number for documentation and examples; nobody else's data bears it.
HASH_CRC32: Final = 2

END_OF_OPTIONS: Final = 0
COMMENT: Final = 1
SHB_USERAPPL: Final = 4
IF_NAME: Final = 2
IF_DESCRIPTION: Final = 3
IF_TSRESOL: Final = 9
ISB_STARTTIME: Final = 2
ISB_ENDTIME: Final = 3
ISB_IFRECV: Final = 4
EPB_FLAGS: Final = 2
EPB_HASH: Final = 3
CUSTOM: Final = 2989  # Custom option holding bytes.

INTERFACE_NAME: Final = "fixtape"
INTERFACE_TEXT: Final = "one synthetic TCP conversation per connection; no TCP checksums, as if offloaded"

_HEAD: Final = Struct("<II")
_SECTION_BODY: Final = Struct("<IHHq")
_INTERFACE_BODY: Final = Struct("<HHI")
_STATISTICS_BODY: Final = Struct("<III")
_PACKET_HEAD: Final = Struct("<IIIIIII")
_PACKET_OPTIONS: Final = Struct("<HHIHHB4s3x")
_OPTION: Final = Struct("<HH")
_TIME: Final = Struct("<II")
_COUNT: Final = Struct("<Q")
_LENGTH: Final = Struct("<I")
_TAIL: Final = Struct("<HHIIHHI")
_TAIL_FORM: Final = _TAIL.pack(CUSTOM, 8, ENTERPRISE, 0, END_OF_OPTIONS, 0, 0)
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")  # By the size modulo four.
SEAL_BYTES: Final = _HEAD.size + _STATISTICS_BODY.size + 3 * (_OPTION.size + 8) + _TAIL.size
_PACKET_BYTES_FIXED: Final = _PACKET_HEAD.size + _PACKET_OPTIONS.size + _TAIL.size

FieldValue = str | int | bool | list[int] | None
Fields = dict[str, FieldValue]


class About(StrEnum):
    """What a comment is about: its `fixtape`."""

    SEGMENT = "segment"  # Of the Section Header Block; the others are of packets.
    OPENED = "opened"
    CONTINUED = "continued"
    CLOSED = "closed"
    MASKED = "masked"
    NOTE = "note"


class Direction(IntEnum):
    """Bits 0 and 1 of epb_flags."""

    INBOUND = 1
    OUTBOUND = 2


_DIRECTIONS: Final = {direction.value: direction for direction in Direction}


class Section(NamedTuple):
    """A Section Header Block: whose segment this is. Its comment is not decoded."""

    comment: bytes


class Interface(NamedTuple):
    """An Interface Description Block: it says the same in every segment."""


class Packet(NamedTuple):
    """An Enhanced Packet Block. data: of one that was read a view of the block's bytes. An absent comment is empty."""

    at_ns: int
    direction: Direction
    data: bytes | memoryview
    comment: bytes


class Seal(NamedTuple):
    """An Interface Statistics Block: the last of a segment that was closed in order."""

    records: int
    first_ns: int
    last_ns: int


class Index(NamedTuple):
    """A Custom Block: where the pieces of a compressed segment stand (`packed`). No record, and not of the segment."""

    data: bytes


Block = Section | Interface | Packet | Seal | Index


class Fault(NamedTuple):
    """What is wrong with a block, and how far into it, as near as can be known."""

    at: int
    what: str
    expected: str
    received: str


def comment(about: About, fields: Fields) -> bytes:
    """Return the JSON of a comment: compact, `fixtape` first. Long texts are cut: the venue wrote some of them.

    Errors: AssertionError where it does not fit an option; the number and names of the fields are ours.
    """
    assert "fixtape" not in fields, "a field of a comment cannot be called fixtape"
    encoded = msgspec.json.encode({"fixtape": about} | {name: _plain(value) for name, value in fields.items()})
    assert len(encoded) <= COMMENT_BYTES_LIMIT, f"comment {about} has {len(encoded)} bytes"
    return encoded


def section_block(software: str, section_comment: bytes) -> bytes:
    """Return the block that a segment begins with."""
    body = _SECTION_BODY.pack(MAGIC, 1, 0, LENGTH_UNKNOWN)
    return _block(SECTION, body + _option(COMMENT, section_comment) + _option(SHB_USERAPPL, software.encode()))


def interface_block() -> bytes:
    """Return the second block of a segment: raw IP, no snap length, nanoseconds."""
    body = _INTERFACE_BODY.pack(RAW_IP, 0, 0)
    text = _option(IF_NAME, INTERFACE_NAME.encode()) + _option(IF_DESCRIPTION, INTERFACE_TEXT.encode())
    return _block(INTERFACE, body + text + _option(IF_TSRESOL, bytes([NANOSECONDS])))


def packet_block(at_ns: int, direction: Direction, headers: bytes, payload: bytes, note: bytes = b"") -> bytes:
    """Return the block of one packet, given as its headers, its payload and the JSON of its comment.

    The hot path of the writer: the payload is copied once, and read twice for the two sums.
    """
    size = len(headers) + len(payload)
    between = _PADDING[size & 3]
    if note:
        between += _option(COMMENT, note)
    length = _PACKET_BYTES_FIXED + size + len(between)
    head = _PACKET_HEAD.pack(PACKET, length, 0, at_ns >> 32, at_ns & 0xFFFFFFFF, size, size)
    packet_crc = crc32(payload, crc32(headers)).to_bytes(4, "big")
    between += _PACKET_OPTIONS.pack(EPB_FLAGS, 4, direction, EPB_HASH, 5, HASH_CRC32, packet_crc)
    block_crc = crc32(between, crc32(payload, crc32(headers, crc32(head))))
    tail = _TAIL.pack(CUSTOM, 8, ENTERPRISE, block_crc, END_OF_OPTIONS, 0, length)
    return b"".join((head, headers, payload, between, tail))


def seal_block(seal: Seal) -> bytes:
    """Return the block that a segment closed in order ends with; its time is the last record's."""
    first, last = _time(seal.first_ns), _time(seal.last_ns)
    times = _option(ISB_STARTTIME, first) + _option(ISB_ENDTIME, last)
    return _block(STATISTICS, _LENGTH.pack(0) + last + times + _option(ISB_IFRECV, _COUNT.pack(seal.records)))


def index_block(data: bytes) -> bytes:
    """Return the block that a compressed segment ends with."""
    assert len(data) % 4 == 0, "data of a block is padded"
    return _block(INDEX, _LENGTH.pack(ENTERPRISE) + data)


def block_length(head: bytes) -> int:
    """Return the length that a block announces in its first eight bytes, or 0 where it cannot be one."""
    length = int.from_bytes(head[4:8], "little")
    return length if BLOCK_BYTES_MIN <= length <= BLOCK_BYTES_LIMIT and length % 4 == 0 and len(head) >= 8 else 0


def decode_block(raw: bytes) -> Block | Fault:
    """Return the block, or what is wrong with it. `raw` has the length that the block announces."""
    if (fault := check_block(raw)) is not None:
        return fault
    kind = int.from_bytes(raw[:4], "little")
    decoded = _DECODERS[kind](raw) if kind in _DECODERS else None
    if decoded is None:
        return Fault(0, "a block of another layout", "one as fixtape writes it", f"block type {kind:#x}")
    return decoded


def check_block(raw: bytes) -> Fault | None:
    """Return what is wrong with a block's frame, its form or its sums; None if every byte is as it was written."""
    length = len(raw)
    if length < BLOCK_BYTES_MIN + _TAIL.size:
        return Fault(4, "block total length", f"at least {BLOCK_BYTES_MIN + _TAIL.size}", str(length))
    code, size, enterprise, written, end, end_size, again = _TAIL.unpack_from(raw, length - _TAIL.size)
    computed = crc32(memoryview(raw)[: length - _TAIL.size])
    if again != length:
        at = length - 4 if computed == written else 4
        return Fault(at, "block total length at the end", str(length), str(again))
    if (code, size, enterprise, end, end_size) != (CUSTOM, 8, ENTERPRISE, END_OF_OPTIONS, 0):
        form = bytearray(raw[-_TAIL.size : -4])
        form[8:12] = bytes(4)
        return Fault(length - _TAIL.size, "end of the options", _TAIL_FORM[:-4].hex(), form.hex())
    if computed != written:
        return _sum_fault(raw, written, computed)
    return None


def _sum_fault(raw: bytes, written: int, computed: int) -> Fault:
    """Return the fault of a block whose CRC32 does not hold, placed by the packet's own hash where there is one."""
    at, what = 0, "CRC32 of the block"
    if int.from_bytes(raw[:4], "little") == PACKET and len(raw) >= _PACKET_BYTES_FIXED:
        captured = int.from_bytes(raw[20:24], "little")
        start, end = _PACKET_HEAD.size, _PACKET_HEAD.size + captured
        written_hash = int.from_bytes(raw[-_TAIL.size - 7 : -_TAIL.size - 3], "big")
        if end <= len(raw) and crc32(raw[start:end]) != written_hash:
            at, what = start, "CRC32 of the block and of its packet"
    return Fault(at, what, f"{written:#010x}", f"{computed:#010x}")


def _decode_section(raw: bytes) -> Section | None:
    body = _SECTION_BODY.unpack_from(raw, 8)
    return Section(_options(raw, 24).get(COMMENT, b"")) if body[:3] == (MAGIC, 1, 0) else None


def _decode_interface(raw: bytes) -> Interface | None:
    return Interface() if raw == interface_block() else None


def _decode_packet(raw: bytes) -> Packet | None:
    _, _, interface, high, low, captured, original = _PACKET_HEAD.unpack_from(raw)
    start = _PACKET_HEAD.size
    end = start + captured
    options_at = end + (-captured & 3)
    if interface or captured != original or options_at > len(raw) - _TAIL.size - _PACKET_OPTIONS.size:
        return None
    if options_at == len(raw) - _TAIL.size - _PACKET_OPTIONS.size:
        text = b""
    else:
        text = _options(raw, options_at).get(COMMENT, b"")
    flags = int.from_bytes(raw[-_TAIL.size - 16 : -_TAIL.size - 12], "little")
    direction = _DIRECTIONS.get(flags)
    return None if direction is None else Packet(high << 32 | low, direction, memoryview(raw)[start:end], text)


def _decode_seal(raw: bytes) -> Seal | None:
    options = _options(raw, 8 + _STATISTICS_BODY.size)
    first, last, records = options.get(ISB_STARTTIME), options.get(ISB_ENDTIME), options.get(ISB_IFRECV)
    if first is None or last is None or records is None or len(raw) != SEAL_BYTES:
        return None
    return Seal(_COUNT.unpack(records)[0], _nanoseconds(first), _nanoseconds(last))


def _decode_index(raw: bytes) -> Index | None:
    start, end = _HEAD.size + _LENGTH.size, len(raw) - _TAIL.size
    return Index(raw[start:end]) if raw[_HEAD.size : start] == _LENGTH.pack(ENTERPRISE) else None


_DECODERS: Final = {
    SECTION: _decode_section,
    INTERFACE: _decode_interface,
    PACKET: _decode_packet,
    STATISTICS: _decode_seal,
    INDEX: _decode_index,
}


def _block(kind: int, body: bytes) -> bytes:
    length = _HEAD.size + len(body) + _TAIL.size
    whole = _HEAD.pack(kind, length) + body
    return whole + _TAIL.pack(CUSTOM, 8, ENTERPRISE, crc32(whole), END_OF_OPTIONS, 0, length)


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + _PADDING[len(value) & 3]


def _options(raw: bytes, start: int) -> dict[int, bytes]:
    """Return the options of a block by code, up to the first that does not fit."""
    return dict(_walk_options(raw, start))


def _walk_options(raw: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    end = len(raw) - 4
    while start + _OPTION.size <= end:
        code, size = _OPTION.unpack_from(raw, start)
        start += _OPTION.size
        if code == END_OF_OPTIONS or start + size > end:
            return
        yield code, raw[start : start + size]
        start += size + (-size & 3)


def _plain(value: FieldValue) -> FieldValue:
    """Return a value as JSON can hold it: a text cut to its limit, with lone surrogates spelled out."""
    if not isinstance(value, str):
        return value
    cut = value if len(value) <= COMMENT_TEXT_LIMIT else value[: COMMENT_TEXT_LIMIT - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")


def _time(at_ns: int) -> bytes:
    return _TIME.pack(at_ns >> 32, at_ns & 0xFFFFFFFF)


def _nanoseconds(raw: bytes) -> int:
    high, low = _TIME.unpack(raw)
    return int(high << 32 | low)
