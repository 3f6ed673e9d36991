"""How a venue plays, and every switch for what Kraken's pages leave open.

Layer: venue. Data only. Source: venue reference section 7, whose row each switch names, and sections 2.4, 6.4 and 8.2.
Left to others: setting switches by name (`venue.switches`), and obeying them (`venue.acceptor`, `venue.answers`,
`venue.trading`, `venue.view`, `venue.rolling`, `venue.outgoing`).
"""

import math
from dataclasses import dataclass
from typing import Final

from capture.errors import SettingInvalid
from capture.session.rollover_window import RolloverWindow
from capture.session.session import Role, SessionSettings
from capture.trading.session import TARGET_COMP_ID as TRADING_TARGET_COMP_ID
from capture.venue.source import Shape
from capture.venue.switches import switch
from capture.wire import tags

TARGET_COMP_ID: Final = b"KRAKEN-MD"
FAST: Final = math.inf  # As a speed: as fast as the reader takes it.
RESEND_BYTES_LIMIT: Final = 32 * 1024 * 1024  # Kept for resends on one connection, whatever the count.
_MARKET_DATA: Final = frozenset({tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL})


@dataclass(frozen=True, slots=True)
class SessionSwitches:
    """How a session of the venue behaves, whatever is spoken on it.

    Every field is a switch: its default is what the reference says of a simulated venue.
    """

    rollover_number: str = switch(
        "1", "the first Logon answered after a roll-over bears MsgSeqNum(34) 1 or 0", "1", "0", default="1"
    )
    rollover: str = switch(
        "2",
        "a roll-over shows to who is logged on by a Logout and a close, by a close alone, or by a Logon with 141=Y",
        "logout",
        "close",
        "reset",
        default="logout",
    )
    rollover_connects: str = switch(
        "2",
        "while it rolls over the venue drops who connects, or nobody listens; nothing of both where it resets in place",
        "dropped",
        "refused",
        default="dropped",
    )
    rollover_seconds: int = switch("2", "how long a roll-over takes", default=30)
    reject_tags: bool = switch("20", "35=3 says 371, 372 and 373, or 58 alone as in the older capture", default=True)
    business_ref: str = switch(
        "20", "45 in 35=j is 0 as captured, or the number of what is refused", "zero", "number", default="zero"
    )
    garbled: str = switch(
        "21",
        "a message with a wrong CheckSum(10) or BodyLength(9) is ignored, or ignored and answered by 35=3",
        "ignored",
        "rejected",
        default="ignored",
    )
    test_request_percent: int = switch(
        "25", "silence, in percent of HeartBtInt(108), after which a TestRequest comes", default=120
    )
    silence_percent: int = switch("25", "silence, in percent of HeartBtInt(108), that ends the session", default=200)
    sequence_reset: str = switch(
        "33",
        "a client's SequenceReset with 123=N is accepted, or refused by 35=3",
        "accept",
        "refuse",
        default="accept",
    )

    def __post_init__(self) -> None:
        """Errors: SettingInvalid for a session that would end before anybody was asked."""
        if not 0 < self.test_request_percent <= self.silence_percent:
            allowed = f"test_request_percent ({self.test_request_percent}) or more, both above 0"
            raise SettingInvalid(where="--switch silence_percent", received=self.silence_percent, allowed=allowed)

    def session(
        self, sender: bytes, *, sending_time_limit_s: int = 120, resent_types: frozenset[bytes] = frozenset()
    ) -> SessionSettings:
        """Return what the session core is to do under these switches."""
        return SessionSettings(
            Role.ACCEPTOR,
            sender=sender,
            target=b"",
            sending_time_limit_s=sending_time_limit_s,
            strict_time=True,
            resent_types=resent_types,
            # Any other form than the session's own is the listener's to show.
            rollover=RolloverWindow(lasts_s=self.rollover_seconds) if self.rollover == "logout" else None,
            takes_resets=self.sequence_reset == "accept",
            test_request_after=self.test_request_percent / 100,
            give_up_after=self.silence_percent / 100,
        )


@dataclass(frozen=True, slots=True)
class VenueSettings(SessionSwitches):
    """How the venue of market data plays.

    speed: recorded seconds that pass in one; FAST is as fast as the reader takes them.
    clients: SenderCompIDs that may log on; empty is any.
    Every other field is a switch: its default is what the reference says of a simulated venue.
    """

    speed: float = 1.0
    target: bytes = TARGET_COMP_ID
    clients: frozenset[bytes] = frozenset()
    sending_time_limit_s: int = 120

    tls: str = switch("3", "TLS version that is offered", "1.3", "1.2", default="1.3")
    resend: str = switch(
        "4",
        "a ResendRequest for market data is answered by a gap fill, or by the messages again with 43=Y and 122",
        "gap-fill",
        "replay",
        default="gap-fill",
    )
    resend_limit: int = switch("4", "most messages kept to be replayed; a gap fill covers older ones", default=50_000)
    evicted: str = switch(
        "6, 7",
        "a level pushed out of depth is deleted with 271 > 0, or nothing is said",
        "announced",
        "silent",
        default="announced",
    )
    evicted_order: str = switch(
        "8", "order of the two entries when a level is pushed out", "delete-first", "new-first", default="delete-first"
    )
    checksum: str = switch(
        "9, 10",
        "5041 after the group, within its first entry, or not at all",
        "message",
        "entry",
        "omitted",
        default="message",
    )
    depth_1_checksum: bool = switch("11", "5041 of the full book at depth 1 too", default=True)
    level_3: bool = switch("12", "266=N is served, from sources that know orders (synthetic market)", default=False)
    trades_first: bool = switch(
        "13", "a trade comes before the book change that it caused (synthetic market)", default=True
    )
    trades_snapshot: bool = switch("13", "a subscription to trades alone gets an empty snapshot", default=False)
    stragglers: int = switch("15", "messages that still come after a subscription was stopped", default=0)
    bad_symbol: str = switch(
        "16",
        "a V with one bad symbol among several is refused whole, or the rest is served",
        "reject",
        "skip",
        default="reject",
    )
    md_req_id: str = switch(
        "17",
        "an MDReqID is taken as long as it is subscribed, or for the whole session",
        "live",
        "session",
        default="live",
    )
    same_symbol: bool = switch("18", "two subscriptions on one symbol are allowed", default=True)
    precision_text: str = switch("19", "2349 and 5010 as `8` or as `8.0`", "integer", "float", default="integer")
    second_logon: str = switch(
        "24",
        "a SenderCompID that is logged on and logs on again is let in too, is refused, or takes the other's place",
        "allow",
        "refuse",
        "evict",
        default="allow",
    )
    idle_heartbeats: int = switch(
        "26", "drop a session without a subscription after so many heartbeats; 0 never", default=0
    )
    reject_texts: str = switch(
        "27", "texts of 35=Y as in the older or the newer examples", "older", "newer", default="older"
    )
    halted_market: str = switch(
        "37",
        "in status 1, 101, 102: books without trades, nothing, or all",
        "quotes",
        "silent",
        "all",
        default="quotes",
    )
    list_updates: str = switch(
        "32",
        "a changed instrument is pushed alone, with the whole list, or not",
        "changed",
        "all",
        "none",
        default="changed",
    )
    id_limit: int = switch("35", "most characters of 262, 320 and 335", default=64)
    fragment: int = switch("4.2", "most instruments of one 35=y; more come in fragments", default=500)
    depth_refused: int = switch("4.9", "a depth to refuse as unsupported; -1 none", default=-1)
    logon_failure: str = switch(
        "8.2",
        "a Logon that is refused: the connection just ends, or a Logout says why",
        "close",
        "logout",
        default="close",
    )
    field_order: int = switch(
        "2.4", "seed by which every field that may move is moved; 0 is the order as captured", default=0
    )

    @property
    def resent_types(self) -> frozenset[bytes]:
        """Messages that are sent again when asked for."""
        return _MARKET_DATA if self.resend == "replay" else frozenset()

    def shape(self, depth: int, precision: tuple[int, int] | None, *, orders: bool = False) -> Shape:
        """Return the form in which streams are wanted under these switches."""
        return Shape(
            depth=depth,
            evicted=self.evicted,
            evicted_order=self.evicted_order,
            checksum=self.checksum,
            depth_1_checksum=self.depth_1_checksum,
            trades_first=self.trades_first,
            precision=precision,
            orders=orders,
        )


@dataclass(frozen=True, slots=True)
class TradingVenueSettings(SessionSwitches):
    """How the venue of order entry behaves.

    clients: SenderCompIDs that may log on; empty is any.
    Every other field is a switch: its default is what the reference says of a simulated venue.
    """

    target: bytes = TRADING_TARGET_COMP_ID
    clients: frozenset[bytes] = frozenset()

    mass_cancel: str = switch(
        "22", "530=7 cancels every order of the SenderCompID, or of the account", "sender", "account", default="sender"
    )
    cancel_on_disconnect: str = switch(
        "23",
        "8674=0 cancels when a connection ends without Logouts, or however it ends",
        "abnormal",
        "any",
        default="abnormal",
    )
    second_logon: str = switch(
        "24",
        "a SenderCompID that is logged on and logs on again takes the other's place, or is refused",
        "evict",
        "refuse",
        default="evict",
    )
    cl_ord_id_seconds: int = switch(
        "28", "most seconds that a ClOrdID, as microseconds, may be off the clock; 0: it only has to rise", default=0
    )
    nonce: str = switch(
        "31",
        "Nonce(5025) has to rise and be within 5 s of the clock, or one of both is enough",
        "both",
        "rising",
        "window",
        default="both",
    )
    cancel_reach: str = switch(
        "6.4",
        "35=F reaches orders of the sender's earlier connections too, or of its own alone",
        "sender",
        "session",
        default="sender",
    )
