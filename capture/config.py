"""Settings of a recorder, read from TOML and frozen.

Layer: beside the client. Source: `deploy/config.example.toml`, which a test keeps equal to what is read here.
Left to others: which option or variable overrides what (`storage.cli`). No secret is a setting.
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from capture.errors import MisuseError, SettingInvalid
from capture.market.requests import LEVEL_2, LEVEL_3, depth_ok
from capture.market.selection import Selection

DAY_S: Final = 86_400
PORT_LIMIT: Final = 65_535
KIB_LIMIT: Final = 1_048_576
STALL_POLICIES: Final = ("block", "drop-with-gap", "exit")  # Wait for the disk; end the connection until; end.
DAMAGE_POLICIES: Final = ("abort", "archive", "truncate")  # End; keep a copy and read past it; cut the rest off.


class VenueSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the venue is and how it proves its name. ca_file: empty is the system's certificates."""

    host: str = ""
    port: int = 4000
    ca_file: str = ""
    server_name: str = ""


class SessionSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who we are. The venue assigns the SenderCompID."""

    sender_comp_id: str = ""
    target_comp_id: str = "KRAKEN-MD"
    heartbeat_s: int = 60


class MarketSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to record. symbols: patterns, see `market.selection`. depth: where a pattern gives none. level: 2 or 3."""

    symbols: tuple[str, ...] = ()
    depth: int = 1000
    level: int = LEVEL_2


class StorageSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where it goes. batch_s must divide a day; fsync_ms is the most that a power cut can take.

    lake: an address, s3://BUCKET/PREFIX, of a lake that does not stand in the root beside the journal.
    fsync_kib: written and not synced, makes a sync due before its time. unsynced_mib: the most that may be written and
    not synced, because it is kept in memory; on_stall: what happens past it, see `STALL_POLICIES`.
    reserve_mib: preallocated for the journal on a disk that fills up; less on a small disk, 0 is none.
    compress: whether sealed segments of the journal are compressed, at compress_level of zstd.
    on_damage: what recovery does with a segment of an earlier run that is damaged inside, see `DAMAGE_POLICIES`.
    """

    root: str = "tape"
    lake: str = ""
    batch_s: int = 60
    fsync_ms: int = 200
    fsync_kib: int = 1024
    unsynced_mib: int = 128
    on_stall: str = "drop-with-gap"
    reserve_mib: int = 64
    segment_mib: int = 256
    compress: bool = True
    compress_level: int = 9
    on_damage: str = "archive"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings of a recorder."""

    venue: VenueSection = VenueSection()
    session: SessionSection = SessionSection()
    market: MarketSection = MarketSection()
    storage: StorageSection = StorageSection()


class ConfigUnreadable(MisuseError):
    """A configuration file that cannot be used."""

    exit_code = 78


def read(path: Path) -> Settings:
    """Return the settings of a file. Errors: ConfigUnreadable naming the file, the key and the remedy."""
    try:
        with path.open("rb") as file:
            return msgspec.convert(tomllib.load(file), Settings)
    except OSError as error:
        raise ConfigUnreadable(f"{path}: {error.strerror}; name a readable TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigUnreadable(f"{path}: no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigUnreadable(f"{path}: {_explained(str(error))}") from None


def _explained(problem: str) -> str:
    """Return msgspec's words with a near name for an unknown key."""
    _, unknown, rest = problem.partition("unknown field `")
    if not unknown:
        return problem
    key = rest.partition("`")[0]
    section = rest.partition("`$.")[2].rstrip("`")
    names = getattr(Settings(), section).__struct_fields__ if section else Settings.__struct_fields__
    near = get_close_matches(key, names, n=1)
    known = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"
    return f"unknown key `{section + '.' if section else ''}{key}`; {known}"


def check(settings: Settings, *, where: str) -> Settings:
    """Return the settings if they can be meant. Errors: SettingInvalid with the first that cannot."""

    def need(ok: object, name: str, received: object, allowed: str) -> None:
        if not ok:
            raise SettingInvalid(where=f"{where}: {name}", received=received, allowed=allowed)

    venue, session, market, storage = settings.venue, settings.session, settings.market, settings.storage
    need(venue.host, "venue.host", "not set", "the host name that the venue gave you (--host)")
    need(0 < venue.port <= PORT_LIMIT, "venue.port", venue.port, f"1 to {PORT_LIMIT}")
    need(session.sender_comp_id, "session.sender_comp_id", "not set", "the SenderCompID(49) assigned to you (--sender)")
    need(session.target_comp_id, "session.target_comp_id", "not set", "the venue's CompID, such as KRAKEN-MD")
    for name in ("sender_comp_id", "target_comp_id"):
        value = getattr(session, name)
        need(value.isascii() and value.isprintable(), f"session.{name}", repr(value), "printable ASCII")
    need(1 <= session.heartbeat_s <= 3600, "session.heartbeat_s", session.heartbeat_s, "1 to 3600")
    need(market.symbols, "market.symbols", "empty", "symbols such as BTC/USD, or `all` (--symbol)")
    need(market.level in {LEVEL_2, LEVEL_3}, "market.level", market.level, "2 (price levels) or 3 (single orders)")
    depth = depth_ok(market.depth, where=f"{where}: market.depth", level=market.level)
    Selection(market.symbols, depth, level=market.level, where=f"{where}: market.symbols")
    at_address = not storage.lake or storage.lake.startswith("s3://")
    need(at_address, "storage.lake", repr(storage.lake), "s3://BUCKET/PREFIX; without it the lake is ROOT/lake")
    batch_ok = 1 <= storage.batch_s <= DAY_S and DAY_S % storage.batch_s == 0
    need(batch_ok, "storage.batch_s", storage.batch_s, "a divisor of 86400, such as 60")
    need(1 <= storage.fsync_ms <= 60_000, "storage.fsync_ms", storage.fsync_ms, "1 to 60000")
    need(1 <= storage.fsync_kib <= KIB_LIMIT, "storage.fsync_kib", storage.fsync_kib, f"1 to {KIB_LIMIT}")
    need(4 <= storage.unsynced_mib <= 65_536, "storage.unsynced_mib", storage.unsynced_mib, "4 to 65536")
    stalls = ", ".join(STALL_POLICIES)
    need(storage.on_stall in STALL_POLICIES, "storage.on_stall", repr(storage.on_stall), f"one of {stalls}")
    need(0 <= storage.reserve_mib <= 65_536, "storage.reserve_mib", storage.reserve_mib, "0 to 65536")
    need(1 <= storage.segment_mib <= 65_536, "storage.segment_mib", storage.segment_mib, "1 to 65536")
    need(1 <= storage.compress_level <= 19, "storage.compress_level", storage.compress_level, "1 to 19")
    policies = ", ".join(DAMAGE_POLICIES)
    need(storage.on_damage in DAMAGE_POLICIES, "storage.on_damage", repr(storage.on_damage), f"one of {policies}")
    return settings
