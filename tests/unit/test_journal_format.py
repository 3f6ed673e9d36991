"""The pcapng layout: what the draft asks for stands where it asks for it."""

import struct
import zlib

import pytest

from storage.journal import format as pcapng
from storage.journal.format import About, Direction, Fault, Interface, Packet, Seal, Section, comment, decode_block

AT_NS = 1_795_000_000_123_456_789
PACKET_DATA = bytes(range(40)) + b"payload"


def packet(note: bytes = b"") -> bytes:
    return pcapng.packet_block(AT_NS, Direction.INBOUND, PACKET_DATA[:40], PACKET_DATA[40:], note)


def options(block: bytes, start: int) -> list[tuple[int, bytes]]:
    """Return the options of a block as any reader of pcapng finds them."""
    found = []
    while True:
        code, size = struct.unpack_from("<HH", block, start)
        found.append((code, block[start + 4 : start + 4 + size]))
        start += 4 + size + -size % 4
        if code == 0:
            assert start == len(block) - 4
            return found


@pytest.mark.parametrize(
    "block",
    [
        pcapng.section_block("fixtape 0.1.0", b"{}"),
        pcapng.interface_block(),
        packet(),
        packet(b"1"),
        packet(b"12345"),
        pcapng.seal_block(Seal(3, AT_NS, AT_NS + 5)),
    ],
)
def test_a_block_has_its_length_at_both_ends_and_is_aligned(block: bytes) -> None:
    """Every block is a multiple of four bytes long and says so in front and at its end."""
    assert len(block) % 4 == 0
    assert block[4:8] == block[-4:] == len(block).to_bytes(4, "little")


def test_a_section_begins_with_magic_version_and_unknown_length() -> None:
    """The Section Header Block is little endian, version 1.0, and does not state the section's length."""
    block = pcapng.section_block("fixtape 0.1.0", b'{"fixtape":"segment"}')

    assert struct.unpack_from("<IIIHHq", block) == (0x0A0D0D0A, len(block), 0x1A2B3C4D, 1, 0, -1)
    assert options(block, 24)[:2] == [(1, b'{"fixtape":"segment"}'), (4, b"fixtape 0.1.0")]


def test_the_interface_is_raw_ip_in_nanoseconds() -> None:
    """The Interface Description Block says raw IP, no snap length, time stamps in nanoseconds."""
    block = pcapng.interface_block()

    assert struct.unpack_from("<HHI", block, 8) == (101, 0, 0)
    assert (9, b"\x09") in options(block, 16)


def test_a_packet_block_holds_time_direction_and_hash() -> None:
    """An Enhanced Packet Block has the time in two halves, the lengths, the direction, and the CRC32 as it is read."""
    block = packet(b'{"fixtape":"note"}')
    _, _, interface, high, low, captured, original = struct.unpack_from("<7I", block)

    assert (interface, high << 32 | low, captured, original) == (0, AT_NS, 47, 47)
    assert block[28 : 28 + 47] == PACKET_DATA
    assert options(block, 28 + 48)[:3] == [
        (1, b'{"fixtape":"note"}'),
        (2, b"\x01\0\0\0"),
        (3, b"\x02" + zlib.crc32(PACKET_DATA).to_bytes(4, "big")),
    ]


def test_every_block_ends_with_the_sum_of_all_before_it() -> None:
    """The last option is custom, of the documentation's enterprise number, and sums the block up to itself."""
    for block in (
        pcapng.section_block("x", b"{}"),
        pcapng.interface_block(),
        packet(),
        pcapng.seal_block(Seal(1, 2, 3)),
    ):
        code, size, enterprise, crc = struct.unpack_from("<HHII", block, len(block) - 20)

        assert (code, size, enterprise) == (2989, 8, 32473)
        assert crc == zlib.crc32(block[:-20])


def test_the_seal_is_an_interface_statistics_block() -> None:
    """The seal states the first and last time and the number of packets in the options other tools read."""
    block = pcapng.seal_block(Seal(7, AT_NS, AT_NS + 5))
    found = dict(options(block, 20))

    assert len(block) == pcapng.SEAL_BYTES
    assert block[:4] == b"\x05\0\0\0"
    assert found[4] == (7).to_bytes(8, "little")
    assert struct.unpack("<II", found[2]) == (AT_NS >> 32, AT_NS & 0xFFFFFFFF)


def test_blocks_read_back_as_they_were_written() -> None:
    """Decoding a block gives what it was made of."""
    assert decode_block(pcapng.section_block("fixtape", b"{}")) == Section(b"{}")
    assert decode_block(pcapng.interface_block()) == Interface()
    assert decode_block(packet(b"{}")) == Packet(AT_NS, Direction.INBOUND, PACKET_DATA, b"{}")
    assert decode_block(packet()) == Packet(AT_NS, Direction.INBOUND, PACKET_DATA, b"")
    assert decode_block(pcapng.seal_block(Seal(7, 1, AT_NS))) == Seal(7, 1, AT_NS)


def test_damage_in_the_packet_is_told_from_damage_around_it() -> None:
    """The packet's own hash tells whether the packet was hit or what stands around it."""
    inside, outside = bytearray(packet()), bytearray(packet())
    inside[30] ^= 1
    outside[13] ^= 1

    hit, missed = decode_block(bytes(inside)), decode_block(bytes(outside))

    assert isinstance(hit, Fault)
    assert isinstance(missed, Fault)
    assert hit.what == "CRC32 of the block and of its packet"
    assert missed.what == "CRC32 of the block"


def test_a_block_of_another_writer_is_refused_not_guessed() -> None:
    """A block whose sums hold but whose type or form is not ours is a fault."""
    block = bytearray(pcapng.interface_block())
    block[0] = 9
    block[-12:-8] = zlib.crc32(block[:-20]).to_bytes(4, "little")

    found = decode_block(bytes(block))

    assert isinstance(found, Fault)
    assert found.what == "a block of another layout"


def test_a_long_text_is_cut_and_a_lone_surrogate_spelled_out() -> None:
    """What the venue writes fits into a comment, however long and whatever it holds."""
    text = comment(About.CLOSED, {"reason": "x" * 100_000 + "\ud800", "odd": "\udcff"})

    assert len(text) < 3000
    assert b"\\\\udcff" in text
