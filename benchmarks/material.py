"""What contenders work on, from a real recording: one folder, so that all of them see the same bytes or books.

- `snapshots.fix`, `refreshes.fix`, `facts.json`: the frames as recorded, how long each is, depth and precisions.
- `books.json`: the same messages decoded, prices and sizes as decimal text at the instrument's precision.
- `websocket-1.json`, `websocket-2.json`: the frames that Kraken's WebSocket would have sent, in its versions 1 and 2.

What is a refresh without a change of the book (trades) is in the first only. A level that left the subscribed depth is
announced in FIX and left to the client on the WebSocket, so those entries are in `books.json` and in no frame.
"""

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capture.market.decoder import TRADE, UPDATE_DELETE, Decoded, Entry, decode
from capture.market.instruments import Instrument, InstrumentList
from capture.venue.recording import SHIPPED
from capture.wire import message, tags, values
from capture.wire.framer import Frame, Framer

DEPTHS: Final = {"ethusd-d25": 25, "spot10-d1000": 1000}
SETS: Final = tuple(DEPTHS)
Levels = list[tuple[int, str, str]]  # Side, price and size; a size of zero is a delete.


@dataclass(frozen=True, slots=True)
class Set:
    """One recording: its instruments, the frames before the first refresh, and the refreshes."""

    name: str
    instruments: dict[str, Instrument]
    snapshots: list[bytes]
    refreshes: list[bytes]

    @property
    def depth(self) -> int:
        """The depth at which it was recorded."""
        return DEPTHS[self.name]

    def decoded(self, frames: list[bytes]) -> Iterator[tuple[Decoded, int]]:
        """Yield the messages with a book entry or a trade, and each one's SendingTime(52) in ms."""
        for frame in frames:
            parsed = message.split(frame)
            if parsed.msg_type != tags.SECURITY_LIST:
                sending_ms = values.timestamp_ns(parsed.need(tags.SENDING_TIME)) // values.MILLISECOND_NS
                yield decode(parsed, self.instruments[parsed.text(tags.SYMBOL)], sending_ms), sending_ms


def load(name: str, *, limit: int | None = None) -> Set:
    """Return a shipped recording, or its first so many refreshes."""
    data = gzip.decompress((SHIPPED / f"{name}.fix.gz").read_bytes())
    frames = [item.data for item in Framer().feed(data) if isinstance(item, Frame)]
    listed = InstrumentList().add(message.parse(frames[0]))
    first = next(place for place, frame in enumerate(frames) if b"\x0135=X\x01" in frame)
    refreshes = frames[first:][:limit]
    assert all(b"\x0135=X\x01" in frame for frame in refreshes), "a snapshot among the refreshes"
    return Set(name, {it.symbol: it for it in listed.instruments}, frames[:first], refreshes)


@contextmanager
def folders(sets: Iterable[str], limit: int | None) -> Iterator[Iterator[tuple[Set, Path]]]:
    """Give each recording with its folder written. limit: refreshes of it that are used."""
    with tempfile.TemporaryDirectory() as path:
        yield (_written(load(name, limit=limit), Path(path) / name) for name in sets)


def _written(recorded: Set, folder: Path) -> tuple[Set, Path]:
    folder.mkdir()
    write(recorded, folder)
    return recorded, folder


def write(recorded: Set, folder: Path) -> None:
    """Write all of a folder's files."""
    facts: dict[str, Any] = {
        "set": recorded.name,
        "depth": recorded.depth,
        "precisions": {it.symbol: (it.price_precision, it.size_precision) for it in recorded.instruments.values()},
    }
    for name, frames in (("snapshots", recorded.snapshots), ("refreshes", recorded.refreshes)):
        (folder / f"{name}.fix").write_bytes(b"".join(frames))
        facts[f"{name}_lengths"] = [len(frame) for frame in frames]
    _dump(folder / "facts.json", facts)
    snapshots = [(it.symbol, _levels(recorded, it)) for it, _ in recorded.decoded(recorded.snapshots)]
    refreshes = [
        (it.symbol, _levels(recorded, it), it.checksum)
        for it, _ in recorded.decoded(recorded.refreshes)
        if it.checksum is not None
    ]
    _dump(folder / "books.json", {"snapshots": snapshots, "refreshes": refreshes})
    for version, build in ((1, _frame_1), (2, _frame_2)):
        _dump(
            folder / f"websocket-{version}.json",
            {
                kind: [text for it, sending_ms in recorded.decoded(frames) if (text := build(recorded, it, sending_ms))]
                for kind, frames in (("snapshots", recorded.snapshots), ("refreshes", recorded.refreshes))
            },
        )


def _dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _text(recorded: Set, decoded: Decoded, entry: Entry) -> tuple[str, str]:
    instrument = recorded.instruments[decoded.symbol]
    assert (entry.price_scale, entry.size_scale) == (instrument.price_precision, instrument.size_precision)
    return values.unscaled(entry.price, entry.price_scale), values.unscaled(entry.size, entry.size_scale)


def _levels(recorded: Set, decoded: Decoded) -> Levels:
    """Return what the message does to the book: every delete, also of a level out of depth, as size zero."""
    levels: Levels = []
    for entry in decoded.entries:
        if entry.entry_type != TRADE:
            price, size = _text(recorded, decoded, entry)
            levels.append((entry.entry_type, price, "0" if entry.update == UPDATE_DELETE else size))
    return levels


def _shown(recorded: Set, decoded: Decoded) -> dict[int, list[tuple[str, str]]]:
    """Return the levels by side that a WebSocket frame of the message has."""
    shown: dict[int, list[tuple[str, str]]] = {0: [], 1: []}
    for entry in decoded.entries:
        if entry.entry_type == TRADE or (entry.update == UPDATE_DELETE and entry.size):
            continue
        shown[entry.entry_type].append(_text(recorded, decoded, entry))
    return shown


def _frame_1(recorded: Set, decoded: Decoded, sending_ms: int) -> str:
    """Return a frame of version 1: text in arrays, one object for each side, the checksum in the last; or nothing."""
    at = f"{sending_ms / 1000:.6f}"
    sides = [
        (kind, ",".join(f'["{price}","{size}","{at}"]' for price, size in levels))
        for kind, levels in (("a", _shown(recorded, decoded)[1]), ("b", _shown(recorded, decoded)[0]))
    ]
    tail = f'"book-{recorded.depth}","{decoded.symbol}"]'
    if decoded.checksum is None:
        if any(it.entry_type == TRADE for it in decoded.entries):
            return ""
        return "[0,{" + ",".join(f'"{kind}s":[{levels}]' for kind, levels in sides) + "}," + tail
    objects = [f'{{"{kind}":[{levels}]' for kind, levels in sides if levels]
    return "[0," + "},".join(objects) + f',"c":"{decoded.checksum}"}},' + tail


def _frame_2(recorded: Set, decoded: Decoded, sending_ms: int) -> str:
    """Return a frame of version 2: objects with numbers at full precision; or nothing."""
    if decoded.checksum is None and any(it.entry_type == TRADE for it in decoded.entries):
        return ""
    shown = _shown(recorded, decoded)
    bids, asks = (",".join(f'{{"price":{price},"qty":{size}}}' for price, size in shown[side]) for side in (0, 1))
    kind, checksum = ("snapshot", "") if decoded.checksum is None else ("update", f'"checksum":{decoded.checksum},')
    at = values.timestamp_text(sending_ms * values.MILLISECOND_NS).decode()
    time = f"{at[:4]}-{at[4:6]}-{at[6:8]}T{at[9:]}Z"
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{decoded.symbol}","bids":[{bids}],"asks":[{asks}],'
        f'{checksum}"timestamp":"{time}"}}]}}'
    )
