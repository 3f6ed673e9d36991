"""What a feed has seen, as plain numbers.

Layer: beside the feed. Data only; whoever watches reads them at any time.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What was seen since the feed began."""

    received_bytes: int = 0
    frames: int = 0
    messages: int = 0
    market_data: int = 0
    entries: int = 0
    trades: int = 0
    snapshots: int = 0
    verified: int = 0
    mismatches: int = 0
    unverified: int = 0
    gaps: int = 0
    last_sending_lag_ms: int = 0
