"""A tape of one minute that is the same whenever it is made: the synthetic venue and the recorder's core, in memory.

Two symbols, a message each 50 ms. After half a minute the venue's checksum of one message is wrong, so its symbol is
subscribed anew; near the end nothing is sent for some seconds; then the line goes dead.
"""

import re
from pathlib import Path

from fix import SECOND, T0, seal
from lake_maker import make_lake
from market_play import STEP_NS, MarketPlay

from capture.venue.market import SyntheticMarket

MESSAGES = 1040
WRONG_AT = 700  # From this message on, the first that has a checksum of SYMBOL.
SYMBOL = b"BTC/USD"
AFTER_NS = SECOND // 20
QUIET_AT, QUIET_NS = 1000, 5 * SECOND
DEAD_NS = 3 * SECOND
_CHECKSUM = re.compile(rb"\x015041=(\d+)\x01")


class _Liar:
    """Alters one message on its way: its checksum is one off."""

    def __init__(self) -> None:
        self._count, self._is_done = 0, False

    def alter(self, frame: bytes) -> bytes:
        self._count += 1
        found = _CHECKSUM.search(frame)
        if self._is_done or self._count < WRONG_AT or found is None or b"\x0155=" + SYMBOL not in frame:
            return frame
        self._is_done = True
        body = frame[frame.index(b"35=") : frame.rindex(b"10=")]
        return seal(body.replace(found[0], b"\x015041=%d\x01" % (int(found[1]) ^ 1)))


def make_sample_tape(root: Path) -> Path:
    """Write the tape below a directory and return its root."""
    market = SyntheticMarket(2, seed=7, levels=40, began_ms=T0 // 1_000_000)
    play = MarketPlay(market, depth=10, alter=_Liar().alter)
    for index in range(MESSAGES):
        play.now_ns += AFTER_NS - STEP_NS + (QUIET_NS if index == QUIET_AT else 0)
        play.play(1)
    batch = play.feed.take_columns()  # With a key frame of each book.
    play.feed.closed(play.now_ns + DEAD_NS, "no answer to a TestRequest")
    return make_lake(root, batch, play.feed.take_columns())
