"""What can go wrong between a venue and the wire, on purpose: by script or by seed, and each time the same.

Layer: venue. Names, their schedule, and the actions that come of them; no I/O.
Source: design section 8; faults.md part B.
Left to others: what becomes of a message (`venue.fault_line`), carrying that out (`venue.server`), what is wrong with
TLS (`venue.certificates`).

A fault happens at the N-th market message that the venue sends, counted over all its connections; what happened does
not happen again after a reconnect. One that needs a message of some kind waits for the next one of it.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from random import Random
from typing import Final, NamedTuple

from capture.errors import SettingInvalid
from capture.wire.framer import FRAME_BYTES_LIMIT

STALL_S: Final = 3.0
LATE_S: Final = 2.0
DRIP_S: Final = 0.001  # Between two bytes.
JUMP: Final = 10
SKEW_S: Final = 3600
LARGE_BYTES: Final = FRAME_BYTES_LIMIT - 1024
ENDLESS_BYTES: Final = FRAME_BYTES_LIMIT + FRAME_BYTES_LIMIT // 2
STORM_CONNECTIONS: Final = 3
AT_LIMIT: Final = 1_000_000_000
ANY: Final = "any"  # One at random, on average every N messages.


class Write(NamedTuple):
    """Put bytes on the wire."""

    data: bytes


class Wait(NamedTuple):
    """Put nothing on the wire for so long."""

    seconds: float


class Close(NamedTuple):
    """End the connection in order."""


class Reset(NamedTuple):
    """End the connection with an RST."""


class Silence(NamedTuple):
    """Say nothing more on this connection, and keep it open."""


class Storm(NamedTuple):
    """Drop this connection, and so many of the next ones as soon as they log on."""

    connections: int


class Precision(NamedTuple):
    """Add a decimal to an instrument's prices, and push it."""

    symbol: str


class RollOver(NamedTuple):
    """Roll over as at the end of a day, whatever the time."""


Action = Write | Wait | Close | Reset | Silence | Storm | Precision | RollOver


class Fault(NamedTuple):
    """A fault and the number of the market message that it happens at, from one."""

    name: str
    at: int


class FaultPlan:
    """The faults that are still to happen, and those that did: one for a venue, in the order of its messages."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 1) -> None:
        self.count = 0
        self.happened: list[str] = []
        self.seed = seed
        faults = sorted(faults, key=lambda it: it.at)
        self._waiting = [it for it in faults if it.name != ANY and it.at]
        self._every = next((it.at for it in faults if it.name == ANY), None)
        self._random = Random(f"fixtape faults {seed}")  # noqa: S311 - an order of faults, not a secret
        self._draw_next()

    @property
    def next(self) -> Fault | None:
        """The fault that is due next."""
        return self._waiting[0] if self._waiting else None

    def done(self, text: str) -> None:
        """Take note that the next one happened."""
        del self._waiting[0]
        self.happened.append(text)
        self._draw_next()

    def _draw_next(self) -> None:
        if self._every is not None:
            at = self.count + 1 + int(self._random.expovariate(1 / self._every))
            self._waiting.append(Fault(self._random.choice(SEEDED), at))
            self._waiting.sort(key=lambda it: it.at)


def _always(frame: bytes) -> bool:
    return True


def _is_snapshot(frame: bytes) -> bool:
    return b"\x0135=W\x01" in frame


def _has_checksum(frame: bytes) -> bool:
    return b"\x015041=" in frame


# By name: what it is, and which message it needs.
FAULTS: Final[dict[str, tuple[str, Callable[[bytes], bool]]]] = {
    "drop": ("the message is lost", _always),
    "duplicate": ("it comes twice under one number", _always),
    "reorder": ("the next one comes before it", _always),
    "corrupt": ("one byte of it is another", _always),
    "checksum": ("CheckSum(10) is wrong", _always),
    "length": ("BodyLength(9) is wrong", _always),
    "book-checksum": ("ChecksumOrderBook(5041) is wrong", _has_checksum),
    "stall": (f"nothing comes for {STALL_S:.0f} s", _always),
    "drip": ("it comes a byte at a time", _always),
    "half": ("half of it comes, then the connection is closed", _always),
    "reset": ("half of it comes, then an RST", _always),
    "large": ("a message of almost 16 MiB comes before it", _always),
    "huge": ("BodyLength(9) is over 16 MiB", _always),
    "endless": ("a message begins that never ends", _always),
    "jump": (f"MsgSeqNum(34) goes on {JUMP} higher", _always),
    "low": ("MsgSeqNum(34) is 1 again, without PossDupFlag(43)", _always),
    "silent": ("nothing more is said, the connection stays", _always),
    "empty-snapshot": ("an empty snapshot comes in its place", _has_checksum),
    "late-snapshot": (f"the next snapshot comes {LATE_S:.0f} s late", _is_snapshot),
    "update-first": ("the next snapshot comes after an update", _is_snapshot),
    "precision": ("the instrument's price gets a decimal more", _always),
    "skew": (f"SendingTime(52) is {SKEW_S} s ahead from here on", _always),
    "storm": (f"the connection is dropped, and the next {STORM_CONNECTIONS} at Logon", _always),
    "rollover": ("the venue rolls over, whatever the time of day", _always),
}
# Of the venue as a whole, without a number.
WHOLE: Final = {
    "tls-1.2": "TLS 1.2 is offered and nothing newer",
    "certificate": "its certificate is by another authority than the one written to --ca-out",
}
# Of those at random: what ends in a moment.
SEEDED: Final = (
    "drop", "duplicate", "reorder", "corrupt", "checksum", "length", "book-checksum", "drip", "half", "reset", "jump",
    "low", "empty-snapshot", "update-first",
)  # fmt: skip


def parse_faults(texts: Iterable[str]) -> list[Fault]:
    """Return `NAME@N` texts as faults. Errors: SettingInvalid naming what can be said instead."""
    return [_parsed(text) for text in texts]


def describe_faults() -> list[str]:
    """Return one line for each fault."""
    lines = [f"{name}@N  {what}" for name, (what, _) in FAULTS.items()]
    lines += [f"{name}  {what}" for name, what in WHOLE.items()]
    return [*lines, f"{ANY}@N  every N messages or so one of: {', '.join(SEEDED)}; which and when, --seed decides"]


def _parsed(text: str) -> Fault:
    name, _, at = text.partition("@")
    if text in WHOLE:
        return Fault(text, 0)
    if name not in FAULTS and name != ANY:
        near = get_close_matches(name, FAULTS, n=1)
        allowed = f"{near[0]}@{at or 'N'}" if near else "one that --fault help lists"
        raise SettingInvalid(where="--fault", received=f"{name!r}, which is none", allowed=allowed)
    if not at.isascii() or not at.isdigit() or not 0 < int(at[:12]) <= AT_LIMIT:
        allowed = f"{name}@N, N the number of a market message"
        raise SettingInvalid(where=f"--fault {name}", received=f"at {at!r}", allowed=allowed)
    return Fault(name, int(at))
