"""Bodies to frames: header, numbers and MDReqID(262) of one client around bytes that stay as they are.

Layer: venue. Source: venue reference 2.1 and 2.4, the header order of W and X.
Left to others: which body is whose and when it is due (`venue.acceptor`).
"""

from collections.abc import Iterator

from capture.venue.source import Body
from capture.wire import tags


def trades_only(bodies: Iterator[Body]) -> Iterator[Body]:
    """Yield an empty snapshot in place of the first, and trades."""
    for body in bodies:
        if body.msg_type == tags.MARKET_DATA_SNAPSHOT:
            yield Body.of(body.offset_ns, body.msg_type, body.before, b"\x01268=0\x01", has_book=True, has_trades=False)
        elif body.has_trades:
            yield body


class Stamp:
    """Puts one header after another before bodies: what does not change between them is formatted and summed once."""

    __slots__ = ("_rest", "_sum")

    def __init__(self, sender: bytes, target: bytes, sending: bytes) -> None:
        self._rest = b"\x0149=%b\x0152=%b\x0156=%b\x01" % (sender, sending, target)
        self._sum = sum(self._rest) + sum(b"8=FIX.4.4\x019=\x0135=\x0134=")

    def stamped(self, body: Body, md_req_id: bytes, md_req_id_sum: int, seq_num: int) -> bytes:
        """Return a body as a client's next message: header and 262 new, the rest the same bytes."""
        _, msg_type, before, after, byte_sum, _, _ = body
        number = b"%d" % seq_num
        head = b"35=%b\x0134=%b%b" % (msg_type, number, self._rest)
        length = b"%d" % (len(head) + len(before) + len(md_req_id) + len(after))
        total = self._sum + sum(msg_type) + sum(number) + sum(length) + byte_sum + md_req_id_sum
        return b"8=FIX.4.4\x019=%b\x01%b%b%b%b10=%03d\x01" % (
            length,
            head,
            before,
            md_req_id,
            after,
            total & 0xFF,
        )
