"""The synthetic TCP conversation: headers that hold, and numbers that run on."""

import ipaddress
import struct
from dataclasses import replace

import pytest

from capture.sinks import Connection
from storage.journal.format import Direction
from storage.journal.packets import ACK, FIN, PSH, RST, SYN, Conversation, Endpoints, Numbers, decode_packet

CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
DATA = PSH | ACK


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 65495])
@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("local", ["10.0.0.2", "255.255.255.255", "0.0.0.0"])  # noqa: S104 - an address in a packet.
def test_ipv4_header_sums_to_all_ones(size: int, direction: Direction, local: str) -> None:
    """The header checksum is the one of RFC 791 for any length, direction and addresses."""
    conversation = Conversation(Endpoints.of(replace(CONNECTION, local_address=local)))

    header = conversation.headers(direction, DATA, size)[:20]

    total = sum(struct.unpack("!10H", header))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert int.from_bytes(header[2:4], "big") == 40 + size


def test_addresses_and_ports_follow_the_direction() -> None:
    """What we send goes from our end to the peer's, what we receive the other way."""
    conversation = Conversation(Endpoints.of(CONNECTION))

    out, back = (conversation.headers(direction, DATA, 1) for direction in (Direction.OUTBOUND, Direction.INBOUND))

    here, there = (ipaddress.ip_address(a).packed for a in ("10.0.0.2", "192.0.2.7"))
    assert (out[12:16], out[16:20], struct.unpack("!HH", out[20:24])) == (here, there, (41000, 4000))
    assert (back[12:16], back[16:20], struct.unpack("!HH", back[20:24])) == (there, here, (4000, 41000))


def test_ipv6_is_written_where_an_end_has_it() -> None:
    """With an IPv6 address at either end the packets are IPv6, the other end mapped if need be."""
    both = replace(CONNECTION, local_address="2001:db8::2", peer_address="2001:db8::7")
    mixed = replace(CONNECTION, peer_address="2001:db8::7")

    for connection in (both, mixed):
        header = Conversation(Endpoints.of(connection)).headers(Direction.OUTBOUND, DATA, 9)
        assert header[0] >> 4 == 6
        assert int.from_bytes(header[4:6], "big") == 20 + 9
        assert header[24:40] == ipaddress.ip_address("2001:db8::7").packed
        assert decode_packet(header + b"123456789", Direction.OUTBOUND) is not None


def test_numbers_count_bytes_syn_and_fin() -> None:
    """Each side's number runs on by its bytes; SYN and FIN count one, a reset and a note none."""
    conversation = Conversation(Endpoints.of(CONNECTION))
    steps = [
        (Direction.OUTBOUND, SYN, 0, Numbers(0, 0)),
        (Direction.OUTBOUND, DATA, 10, Numbers(1, 1)),
        (Direction.INBOUND, DATA, 7, Numbers(11, 1)),
        (Direction.OUTBOUND, ACK, 0, Numbers(11, 8)),
        (Direction.OUTBOUND, FIN | ACK, 0, Numbers(11, 8)),
        (Direction.INBOUND, RST | ACK, 0, Numbers(12, 8)),
    ]

    for direction, flags, size, expected in steps:
        read = decode_packet(conversation.headers(direction, flags, size), direction)
        assert read is not None
        assert (read.numbers, read.flags) == (expected, flags)
    assert conversation.numbers == Numbers(12, 8)


def test_numbers_wrap_at_two_to_the_thirty_second() -> None:
    """Past four gigabytes the numbers begin again, as TCP's do."""
    conversation = Conversation(Endpoints.of(CONNECTION), Numbers(2**32 - 4, 2**32 - 1))

    conversation.headers(Direction.OUTBOUND, DATA, 10)
    conversation.headers(Direction.INBOUND, DATA, 1)

    assert conversation.numbers == Numbers(6, 0)


def test_what_is_no_packet_of_ours_is_refused() -> None:
    """Bytes that are no IP and TCP header of the form written here decode to nothing."""
    header = Conversation(Endpoints.of(CONNECTION)).headers(Direction.OUTBOUND, DATA, 0)

    for packet in (b"", header[:39], b"\x55" + header[1:], header[:32] + b"\x60" + header[33:]):
        assert decode_packet(packet, Direction.OUTBOUND) is None
