"""The venue's own status, as TradingSessionStatus (35=h) says it.

Layer: market. Source: venue reference 4.3; the numbers are Kraken's, not those of FIX 4.4.
Left to others: asking for it (`market.requests`), what it means for books and requests (`feed`, `subscriber`).
"""

from dataclasses import dataclass
from typing import Final

from capture.wire import tags, values
from capture.wire.message import Message

ONLINE: Final = 2  # TradSesStatus(340)
NAMES: Final = {0: "unknown", 1: "maintenance", ONLINE: "online", 101: "cancel-only", 102: "post-only"}
_REFUSALS: Final = {
    "1": "unknown TradingSessionID(336)",
    "100": "invalid TradSesReqID(335)",
    "101": "invalid SubscriptionRequestType(263)",
    "102": "duplicate TradSesReqID(335)",
    "103": "already subscribed",
}


@dataclass(frozen=True, slots=True)
class TradingStatus:
    """What one message says: a status, or why there is none. status: None where the request was refused."""

    status: int | None
    refusal: str = ""

    @property
    def name(self) -> str:
        """The status in words; its number where it has none."""
        return "" if self.status is None else NAMES.get(self.status, str(self.status))


def read_trading_status(message: Message) -> TradingStatus:
    """Return what a TradingSessionStatus says; without a status it is unknown. Errors: ValueMalformed."""
    reason = message.text(tags.TRAD_SES_STATUS_REJ_REASON)
    if reason:
        return TradingStatus(None, _REFUSALS.get(reason, f"TradSesStatusRejReason(567) {reason}"))
    return TradingStatus(values.integer(message.get(tags.TRAD_SES_STATUS) or b"0"))
