"""How a venue plays, and every switch for what Kraken's pages leave open.

Layer: venue. Data only. Source: venue reference section 7, whose row each switch names, and sections 2.4 and 8.2.
Left to others: obeying them (`venue.acceptor`, `venue.answers`, `venue.view`, `venue.server`).
"""

import math
from collections.abc import Iterable
from dataclasses import Field as DataclassField
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Final

from capture.errors import SettingInvalid
from capture.venue.source import Shape

TARGET_COMP_ID: Final = b"KRAKEN-MD"
FAST: Final = math.inf  # As a speed: as fast as the reader takes it.
SWITCH_DIGITS_LIMIT: Final = 6


def _switch(row: str, text: str, *choices: str, default: Any) -> Any:
    """Return a field that `--switch` can set: to one of the choices, or as its default is, on or off, or a number."""
    return field(default=default, metadata={"row": row, "text": text, "choices": choices})


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """How the venue plays.

    speed: recorded seconds that pass in one; FAST is as fast as the reader takes them.
    clients: SenderCompIDs that may log on; empty is any.
    Every other field is a switch: its default is what the reference says of a simulated venue.
    """

    speed: float = 1.0
    target: bytes = TARGET_COMP_ID
    clients: frozenset[bytes] = frozenset()
    sending_time_limit_s: int = 120

    tls: str = _switch("3", "TLS version that is offered", "1.3", "1.2", default="1.3")
    evicted: str = _switch(
        "6, 7",
        "a level pushed out of depth is deleted with 271 > 0, or nothing is said",
        "announced",
        "silent",
        default="announced",
    )
    evicted_order: str = _switch(
        "8", "order of the two entries when a level is pushed out", "delete-first", "new-first", default="delete-first"
    )
    checksum: str = _switch(
        "9, 10",
        "5041 after the group, within its first entry, or not at all",
        "message",
        "entry",
        "omitted",
        default="message",
    )
    depth_1_checksum: bool = _switch("11", "5041 of the full book at depth 1 too", default=True)
    trades_first: bool = _switch(
        "13", "a trade comes before the book change that it caused (synthetic market)", default=True
    )
    trades_snapshot: bool = _switch("13", "a subscription to trades alone gets an empty snapshot", default=False)
    stragglers: int = _switch("15", "messages that still come after a subscription was stopped", default=0)
    bad_symbol: str = _switch(
        "16",
        "a V with one bad symbol among several is refused whole, or the rest is served",
        "reject",
        "skip",
        default="reject",
    )
    md_req_id: str = _switch(
        "17",
        "an MDReqID is taken as long as it is subscribed, or for the whole session",
        "live",
        "session",
        default="live",
    )
    same_symbol: bool = _switch("18", "two subscriptions on one symbol are allowed", default=True)
    precision_text: str = _switch("19", "2349 and 5010 as `8` or as `8.0`", "integer", "float", default="integer")
    idle_heartbeats: int = _switch(
        "26", "drop a session without a subscription after so many heartbeats; 0 never", default=0
    )
    reject_texts: str = _switch(
        "27", "texts of 35=Y as in the older or the newer examples", "older", "newer", default="older"
    )
    halted_market: str = _switch(
        "37",
        "in status 1, 101, 102: books without trades, nothing, or all",
        "quotes",
        "silent",
        "all",
        default="quotes",
    )
    list_updates: str = _switch(
        "32",
        "a changed instrument is pushed alone, with the whole list, or not",
        "changed",
        "all",
        "none",
        default="changed",
    )
    id_limit: int = _switch("35", "most characters of 262, 320 and 335", default=64)
    fragment: int = _switch("4.2", "most instruments of one 35=y; more come in fragments", default=500)
    depth_refused: int = _switch("4.9", "a depth to refuse as unsupported; -1 none", default=-1)
    logon_failure: str = _switch(
        "8.2",
        "a Logon that is refused: the connection just ends, or a Logout says why",
        "close",
        "logout",
        default="close",
    )
    field_order: int = _switch(
        "2.4", "seed by which every field that may move is moved; 0 is the order as captured", default=0
    )

    def shape(self, depth: int, precision: tuple[int, int] | None) -> Shape:
        """Return the form in which streams are wanted under these switches."""
        return Shape(
            depth, self.evicted, self.evicted_order, self.checksum, self.depth_1_checksum, self.trades_first, precision
        )


SWITCHES: Final[dict[str, DataclassField[Any]]] = {it.name: it for it in fields(VenueSettings) if it.metadata}


def parse_switches(texts: Iterable[str]) -> dict[str, Any]:
    """Return `name=value` texts as settings. Errors: SettingInvalid naming what can be said instead."""
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        switch = SWITCHES.get(name)
        if switch is None:
            near = get_close_matches(name, SWITCHES, n=1)
            hint = f"{near[0]}" if near else "one that --switch help lists"
            raise SettingInvalid(where="--switch", received=f"{name!r}, which is none", allowed=hint)
        if not equals:
            raise SettingInvalid(
                where=f"--switch {name}", received="without a value", allowed=f"{name}={_allowed(switch)}"
            )
        parsed[name] = _value(switch, value)
    return parsed


def describe_switches() -> list[str]:
    """Return one line for each switch: name, values, default, the row of the reference, and what it is."""
    lines = []
    for name, switch in SWITCHES.items():
        default = ("off", "on")[switch.default] if isinstance(switch.default, bool) else switch.default
        row = switch.metadata["row"]
        lines.append(f"{name}={_allowed(switch)}  (default {default}; row {row})  {switch.metadata['text']}")
    return lines


def _allowed(switch: DataclassField[Any]) -> str:
    if switch.metadata["choices"]:
        return "|".join(switch.metadata["choices"])
    return "on|off" if isinstance(switch.default, bool) else "NUMBER"


def _value(switch: DataclassField[Any], text: str) -> Any:
    choices = switch.metadata["choices"]
    if choices and text in choices:
        return text
    if isinstance(switch.default, bool) and text in {"on", "off"}:
        return text == "on"
    is_number = isinstance(switch.default, int) and not isinstance(switch.default, bool)
    if is_number and text.isascii() and text.isdigit() and len(text) <= SWITCH_DIGITS_LIMIT:
        return int(text)
    raise SettingInvalid(where=f"--switch {switch.name}", received=repr(text), allowed=_allowed(switch))
