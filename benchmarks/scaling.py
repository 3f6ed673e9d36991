"""Question 3: what a message costs with ever more symbols and depth, and what memory the books take.

The bytes of each cell, Logon to last refresh, are made beforehand into files, one stream at a time; a process for each
cell (`scaling_cell.py`) reads them into the library's feed, which frames, decodes, applies, verifies and makes rows.
Run it alone as `python benchmarks/scaling.py`.
"""

import json
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final

from passes import Pass, Snapshots, Stamper, gather
from rounds import Entry, Result, alternate, ratio, spread, table

from capture.market.requests import security_list_request
from capture.venue.acceptor import FAST, Acceptor, VenueSettings
from capture.venue.market import LEVELS, SyntheticMarket
from capture.venue.source import Shape
from capture.wire import tags, values
from capture.wire.encoder import encode

SYMBOLS: Final = (10, 100, 1000)
DEPTHS: Final = (10, 100, 1000)
MARKET_SECONDS: Final = 240.0  # Of each cell, at 1,000 messages a second; less depth shows fewer of them.
MARKET_RATE: Final = 1000.0
WALL_NS: Final = 1_772_452_800 * values.SECOND_NS  # 2 March 2026, 12:00 UTC: no clock is read.
CLIENT: Final = b"BENCH"


def measure(
    rounds: int,
    *,
    symbols: Sequence[int] = SYMBOLS,
    depths: Sequence[int] = DEPTHS,
    market_seconds: float = MARKET_SECONDS,
) -> None:
    """Print a table of all cells, which take turns; each goes on where its last round ended."""
    cells = list(product(depths, symbols))
    with tempfile.TemporaryDirectory() as path:
        entries = []
        for depth, count in cells:
            folder = Path(path) / f"{count}-{depth}"
            folder.mkdir()
            write_cell(folder, count, depth, market_seconds, portions=rounds + 1)
            entries.append(Entry("scaling_cell.py", folder, 0))
        results = dict(zip(cells, alternate(entries, rounds), strict=True))
    print("Scaling, bytes to books, proofs and rows, one core, synthetic market:\n")
    header = ("depth", "symbols", "us a message", "to the fewest symbols", "resident MiB", "before the first byte")
    table(header, [_row(cell, results, symbols[0]) for cell in cells])


def _row(cell: tuple[int, int], results: dict[tuple[int, int], Result], fewest: int) -> tuple[str, ...]:
    depth, count = cell
    result = results[cell]
    to_fewest = ratio(result.costs_us, results[depth, fewest].costs_us)
    resident = f"{result.resident_bytes / 2**20:.0f}"
    return f"{depth:,}", f"{count:,}", spread(result.costs_us, ".2f"), to_fewest, resident, result.note


def write_cell(folder: Path, symbols: int, depth: int, market_seconds: float, *, portions: int) -> None:
    """Write one cell: what the venue says before the subscriptions, the snapshots, and the refreshes in portions."""
    market = SyntheticMarket(symbols, rate=MARKET_RATE, levels=max(LEVELS, depth))
    made = gather(market, Shape(depth), market_seconds)
    ids = {symbol: b"M%d" % place for place, symbol in enumerate(sorted(market.symbols))}
    acceptor = _logged_on(made)
    (folder / "head.fix").write_bytes(b"".join(acceptor.take_frames()))
    stamper = Stamper(made, ids, acceptor.session.sender, acceptor.session.target)
    number = acceptor.session.next_out
    refreshes = len(made.bodies) - made.snapshots
    sizes = [made.snapshots, *[refreshes // portions] * portions]
    parts: list[dict[str, int]] = []
    for place, size in enumerate(sizes):
        left, due = size, 0
        with (folder / f"{place}.fix").open("wb") as file:
            while left:
                block = stamper.block(number, WALL_NS, left)
                file.write("".join(block).encode("latin-1"))
                due += sum("\x015041=" in text for text in block)
                number += len(block)
                left -= len(block)
        parts.append({"messages": size, "verified": due})
    facts = {
        "depth": depth,
        "wall_ns": WALL_NS,
        "md_req_ids": {symbol: md_req_id.decode() for symbol, md_req_id in ids.items()},
        "parts": parts,
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _logged_on(made: Pass) -> Acceptor:
    """Return an acceptor that has answered a Logon and a request for the list."""
    acceptor = Acceptor(Snapshots(made), VenueSettings(speed=FAST))
    acceptor.opened(WALL_NS, 0)
    logon = ((tags.ENCRYPT_METHOD, b"0"), (tags.HEART_BT_INT, b"60"), (tags.RESET_SEQ_NUM_FLAG, b"Y"))
    requests = ((tags.LOGON, logon), (tags.SECURITY_LIST_REQUEST, security_list_request("L1")))
    for number, (msg_type, body) in enumerate(requests, 1):
        frame = encode(
            msg_type,
            body,
            msg_seq_num=number,
            sender=CLIENT,
            target=acceptor.settings.target,
            sending_text=values.timestamp_text(WALL_NS),
        )
        acceptor.received(frame, WALL_NS, 0)
    return acceptor


if __name__ == "__main__":
    measure(5)
