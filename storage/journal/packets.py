"""The synthetic TCP conversation that carries a connection's bytes inside a capture file.

Layer: journal, beside `format`. Pure: knows no file and no clock.
Source: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP).
Left to others: blocks around the packets (`format`), which packet a record becomes (`writer`).

The addresses and ports are the connection's own. Sequence numbers are ours and start at zero: a SYN when the
connection opens, which counts one on both sides though the peer's answer is not written; every byte counts one; a FIN
counts one. Every packet states both sides' numbers, so one that is missing shows in the next. The TCP checksum is zero,
as a capture on the sending host shows it when the network card computes it: it would add no proof to the sums of the
block around it.

Wireshark finds FIX by its first bytes, whatever the port; only where our own port happens to be another protocol's does
it need to be told: `tshark -d tcp.port==4000,fix`.
"""

import ipaddress
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple, Self

from capture.sinks import Connection
from storage.journal.format import Direction

PAYLOAD_BYTES_LIMIT: Final = 65535 - 40  # What the 16 bits of IPv4's total length leave after both headers.
SEQ_MODULUS: Final = 2**32
WINDOW: Final = 65535
HOP_LIMIT: Final = 64
TCP: Final = 6
DO_NOT_FRAGMENT: Final = 0x4000
NO_PORT: Final = 0

# The control bits of TCP that occur here. Plain integers: an IntFlag would cost more than the rest of the header.
FIN: Final = 1
SYN: Final = 2
RST: Final = 4
PSH: Final = 8
ACK: Final = 16

_V4: Final = Struct("!BBHHHBBH4s4s")
_V6: Final = Struct("!IHBB16s16s")
_TCP: Final = Struct("!HHIIBBHHH")
_V4_WORDS: Final = Struct("!10H")
_NUMBERS: Final = Struct("!HHIIBB")
_DATA_OFFSET: Final = (_TCP.size // 4) << 4


class Numbers(NamedTuple):
    """The next sequence number of each side."""

    local: int
    peer: int


NUMBERS_BEFORE: Final = Numbers(0, 0)  # Of a conversation not opened, or of none.
NUMBERS_OPENED: Final = Numbers(1, 1)


class Segment(NamedTuple):
    """What is read back from a packet."""

    numbers: Numbers
    flags: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Both ends of a conversation, packed: what its packets have in common."""

    local: bytes
    peer: bytes
    local_port: int
    peer_port: int

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Return the ends of a connection. Where only one is IPv4, it is written as an IPv6 address (RFC 4291)."""
        local = ipaddress.ip_address(connection.local_address).packed
        peer = ipaddress.ip_address(connection.peer_address).packed
        if len(local) != len(peer):
            local, peer = _mapped(local), _mapped(peer)
        return cls(local, peer, connection.local_port, connection.peer_port)


NOBODY: Final = Endpoints(bytes(4), bytes(4), NO_PORT, NO_PORT)  # What is noted while nothing is connected.


class Conversation:
    """The headers of one connection's packets, in the order in which they are written."""

    __slots__ = ("_inbound", "_outbound", "numbers")

    def __init__(self, endpoints: Endpoints, numbers: Numbers = NUMBERS_BEFORE) -> None:
        there, back = (endpoints.local, endpoints.peer), (endpoints.peer, endpoints.local)
        ip = _IpV4 if len(endpoints.local) == 4 else _IpV6
        self._outbound = (ip(*there), endpoints.local_port, endpoints.peer_port)
        self._inbound = (ip(*back), endpoints.peer_port, endpoints.local_port)
        self.numbers = numbers

    def headers(self, direction: Direction, flags: int, size: int) -> bytes:
        """Return the IP and TCP headers of a packet with `size` bytes of payload, and count what it carries."""
        local, peer = self.numbers
        self.numbers = advanced(self.numbers, direction, flags, size)
        outbound = direction is Direction.OUTBOUND
        ip, source_port, target_port = self._outbound if outbound else self._inbound
        seq, ack = (local, peer) if outbound else (peer, local)
        tcp = _TCP.pack(source_port, target_port, seq, ack, _DATA_OFFSET, flags, WINDOW, 0, 0)
        return ip.header(_TCP.size + size) + tcp


def advanced(numbers: Numbers, direction: Direction, flags: int, size: int) -> Numbers:
    """Return the numbers after a packet: modulo 2 to the 32nd, SYN and FIN counting one."""
    if flags & SYN:
        return NUMBERS_OPENED
    count = size + (1 if flags & FIN else 0)
    if direction is Direction.OUTBOUND:
        return Numbers((numbers.local + count) % SEQ_MODULUS, numbers.peer)
    return Numbers(numbers.local, (numbers.peer + count) % SEQ_MODULUS)


def decode_packet(packet: bytes | memoryview, direction: Direction) -> Segment | None:
    """Return what a packet of ours carries; None where it is none."""
    start = {4: _V4.size, 6: _V6.size}.get(packet[0] >> 4 if packet else 0)
    if start is None or len(packet) < start + _TCP.size:
        return None
    _, _, seq, ack, offset, flags = _NUMBERS.unpack_from(packet, start)
    if offset != _DATA_OFFSET:
        return None
    numbers = Numbers(seq, ack) if direction is Direction.OUTBOUND else Numbers(ack, seq)
    return Segment(numbers, flags, bytes(packet[start + _TCP.size :]))


class _IpV4:
    """The IPv4 header of one direction: everything is constant but the length and with it the checksum."""

    __slots__ = ("_peer", "_source", "_sum")

    def __init__(self, source: bytes, target: bytes) -> None:
        self._source, self._peer = source, target
        empty = _V4.pack(0x45, 0, 0, 0, DO_NOT_FRAGMENT, HOP_LIMIT, TCP, 0, source, target)
        self._sum = sum(_V4_WORDS.unpack(empty))

    def header(self, size: int) -> bytes:
        """Return the header before `size` bytes."""
        length = _V4.size + size
        total = self._sum + length
        total = (total & 0xFFFF) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xFFFF
        return _V4.pack(0x45, 0, length, 0, DO_NOT_FRAGMENT, HOP_LIMIT, TCP, checksum, self._source, self._peer)


class _IpV6:
    """The IPv6 header of one direction; it bears no checksum."""

    __slots__ = ("_source", "_target")

    def __init__(self, source: bytes, target: bytes) -> None:
        self._source, self._target = source, target

    def header(self, size: int) -> bytes:
        """Return the header before `size` bytes."""
        return _V6.pack(6 << 28, size, TCP, HOP_LIMIT, self._source, self._target)


def _mapped(address: bytes) -> bytes:
    return address if len(address) == 16 else bytes(10) + b"\xff\xff" + address
