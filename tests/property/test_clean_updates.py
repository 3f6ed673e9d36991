"""Clean updates of the synthetic market: every checksum agrees, on as many as are asked for.

`make prove` asks for ten million; the suite for some thousands.
"""

import os
import time

import pytest
from market_play import MarketPlay

from capture.venue.market import SyntheticMarket

UPDATES = int(os.environ.get("FIXTAPE_UPDATES", "20000"))
SEED_UPDATES = 500_000  # A market each.
SYMBOLS = 50
READ_MESSAGES = 200
DEPTHS = (10, 25, 100, 500, 1000)


@pytest.mark.timeout(120 + UPDATES // 5_000)
def test_no_false_mismatch() -> None:
    """Market after market, at each depth in turn: every 5041 verified, no mismatch, no broken invariant, no gap."""
    left, seed = UPDATES, 0
    while left > 0:
        seed += 1
        wanted, depth = min(left, SEED_UPDATES), DEPTHS[(seed - 1) % len(DEPTHS)]
        began = time.perf_counter()

        play = MarketPlay(SyntheticMarket(SYMBOLS, rate=20_000.0, seed=seed), depth=depth)
        invariants = 0
        while play.feed.counters.market_data < wanted + SYMBOLS:
            assert play.play(READ_MESSAGES), "a synthetic market never ends"
            play.findings.clear()
            if play.feed.row_count > 100_000:
                invariants += play.feed.take_columns().events.columns["kind"].count("invariant")

        counters = play.feed.counters
        invariants += play.feed.take_columns().events.columns["kind"].count("invariant")
        taken = counters.market_data - counters.snapshots
        found = f"{counters.mismatches} mismatches, {invariants} broken invariants"
        print(
            f"seed {seed}, depth {depth}: {taken:,} updates, {counters.entries:,} entries,"
            f" {counters.verified:,} verified, {found}, {time.perf_counter() - began:.1f} s"
        )
        assert (counters.mismatches, counters.gaps, invariants) == (0, 0, 0)
        assert counters.snapshots == SYMBOLS
        # What has no checksum is a message of trades alone.
        assert counters.verified >= taken * 9 // 10
        left -= taken
    print(f"{UPDATES - left:,} clean updates of {seed} markets: 0 false mismatches")
