"""What must hold after every fault, whichever it was: one function an invariant, numbered as the contract numbers them.

    I1  nothing acknowledged is missing                    `Journal.check`, `Cycle`
    I2  nothing is delivered that fails its sums           `read`, which reads no further at damage
    I3  what was received is what was sent, in order       `Journal.check`
    I4  a file under a final name opens, hashes, counts    `check_lake`
    I5  nothing temporary is left after recovery           `check_nothing_left`
    I6  books as stored are books as held                  `check_rebuilt`: rows, `books` among them, byte for byte
    I7  one line says why, and the exit code how           `check_reason`
    I8  recovery a second time changes nothing             `digest`

The truth is the venue's own list (`truth`), and the lake is read by deltalake and pyarrow, not by fixtape.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import DeltaTable
from truth import Expected, expected

from capture.wire.values import compact_utc
from storage.journal.blocks import segment_bytes
from storage.journal.reader import RecordKind, read_journal, read_segment
from storage.journal.segments import SUFFIX, present_form, segment_name, segment_paths
from storage.schemas import TABLES

TEMPORARY = re.compile(r"(^\.(?!lock$|reserve$|whole\.json$).*)|(.*\.(tmp|part)$)|(^_staging.*)|(^tmp.*)|(.*\.tmp\..*)")
_LOG = "_delta_log"


@dataclass
class Session:
    """One connection as the journal holds it."""

    run: str
    port: int
    session_id: str
    received: bytearray = field(default_factory=bytearray)


@dataclass
class Journal:
    """All connections of a journal, and what stands after the last whole block of its segments."""

    sessions: list[Session]
    torn: list[int]
    records: int

    def check(self, truth):
        """I3: each connection's bytes are a beginning of what the venue sent on it. Returns the venue's files."""
        files = []
        for session in self.sessions:
            path = truth.sent_to(session.port, bytes(session.received))
            assert path is not None, f"session {session.session_id}: {len(session.received)} bytes that nobody sent so"
            files.append(path)
        return files

    def expected(self):
        """What the tables must hold, by session, made from the bytes by code of the tests' own."""
        made = {session.session_id: expected(bytes(session.received)) for session in self.sessions}
        assert len(made) == len(self.sessions), "two connections under one session_id"
        return made


def read(root):
    """The journal under a root, every sum checked. Raises JournalDamaged where a block is not as it was written."""
    sessions, records = [], 0
    journal = read_journal(root)
    for record in journal:
        records += 1
        if record.kind is RecordKind.OPENED:
            sessions.append(Session(record.run, record.connection.local_port, compact_utc(record.at_ns)))
        elif record.kind is RecordKind.RECEIVED:
            sessions[-1].received += record.data
    return Journal(sessions, [tail.size for tail in journal.torn_tails], records)


def whole_bytes(paths):
    """Bytes of segments up to the last whole block of each, and the sizes of torn tails: what was durable of a run."""
    size, torn = 0, []
    for path in map(present_form, paths):
        segment = read_segment(path)
        for _ in segment:
            pass
        tail = segment.torn_tail.size if segment.torn_tail is not None else 0
        size += segment_bytes(path) - tail
        if tail:
            torn.append(tail)
    return size, torn


@dataclass(frozen=True)
class LakeRows:
    """What the tables hold of the market. lost, twice: rows of messages and trades against what is expected."""

    rows: int
    lost: int
    twice: int
    unexpected: int


def lake_files(lake):
    """By table, the paths of its present files and their stated rows, as deltalake lists them."""
    listed = {}
    for name in TABLES:
        if not any((lake / name / _LOG).glob("*.json")):
            continue  # Not made, or its writer was killed between making the directory and the first entry.
        adds = DeltaTable(lake / name).get_add_actions(flatten=True)
        columns = {column: adds.column(column).to_pylist() for column in ("path", "num_records", "size_bytes")}
        listed[name] = list(zip(columns["path"], columns["num_records"], columns["size_bytes"], strict=True))
    return listed


def lake_rows(lake):
    """How many rows the logs list."""
    return sum(rows for files in lake_files(lake).values() for _, rows, _ in files)


def check_lake(lake):
    """I4: every file that a log lists is there, has its size and count, its name's digest, and its pages' sums hold."""
    count = 0
    for name, files in lake_files(lake).items():
        for path, rows, size in files:
            file = lake / name / path
            data = file.read_bytes()
            assert len(data) == size, f"{file}: {len(data)} bytes, {size} in the log"
            digest = file.stem.rpartition("-")[2]
            assert hashlib.sha256(data).hexdigest().startswith(digest), f"{file}: not what its name says"
            table = pq.ParquetFile(file, page_checksum_verification=True).read()
            assert table.num_rows == rows, f"{file}: {table.num_rows} rows, {rows} in the log"
            count += 1
    return count


def market_rows(lake, wanted: dict[str, Expected]):
    """I3 of rows: each message and trade of what was received is in the lake, once."""
    held, trades, rows = {}, Counter(), 0
    listed = lake_files(lake)
    for path, _, _ in listed.get("messages", ()):
        table = pq.ParquetFile(lake / "messages" / path).read(["session_id", "msg_seq_num", "msg_type"])
        for session, number, kind in zip(*(table.column(it).to_pylist() for it in table.column_names), strict=True):
            if kind in ("W", "X"):
                held.setdefault(session, Counter())[number] += 1
                rows += 1
    for path, _, _ in listed.get("trades", ()):
        table = pq.ParquetFile(lake / "trades" / path).read(["session_id"])
        trades.update(table.column("session_id").to_pylist())
    lost = twice = unexpected = 0
    for session, it in wanted.items():
        due, here = Counter(it.messages), held.pop(session, Counter())
        lost += (due - here).total() + max(0, it.trades - trades[session])
        twice += (here - due).total() + max(0, trades[session] - it.trades)
    unexpected = sum(it.total() for it in held.values())
    return LakeRows(rows, lost, twice, unexpected)


def events(lake):
    """The rows of the table `events`."""
    return [
        row
        for path, _, _ in lake_files(lake)["events"]
        for row in pq.ParquetFile(lake / "events" / path).read().to_pylist()
    ]


def check_nothing_left(root):
    """I5: no temporary file stands under the root."""
    left = [path for path in root.rglob("*") if path.is_file() and TEMPORARY.match(path.name)]
    assert not left, f"left behind: {left}"


def file_names(lake):
    """The lake's files as its logs list them; their names end in their content's digest."""
    return {f"{name}/{path}" for name, files in lake_files(lake).items() for path, _, _ in files}


def differences(one, other):
    """Rows of either lake that the other does not have, some of each table; for the message of a failure."""
    told = {}
    for name in TABLES:
        rows = [Counter(), Counter()]
        for found, lake in zip(rows, (one, other), strict=True):
            for path, _, _ in lake_files(lake).get(name, ()):
                table = pq.ParquetFile(lake / name / path).read()
                found.update(str(row) for row in table.to_pylist())
        if rows[0] != rows[1]:
            told[name] = list(rows[0] - rows[1])[:3], list(rows[1] - rows[0])[:3]
    return told


def digest(root):
    """I8: one digest of every path and byte under a root; of links and directories too."""
    told = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        told.update(f"{path.relative_to(root)}\0{path.stat().st_mode}\0".encode())
        if path.is_file():
            told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def check_reason(text):
    """I7: one line says what ended it."""
    lines = [line for line in text.splitlines() if line.startswith("fixtape: ")]
    assert len(lines) == 1, f"not one line of reason: {text[-2000:]}"
    assert "Traceback" not in text, text[-2000:]
    return lines[0]


def paths_under(root):
    """The segments under a root now, each by the path of its plain form, whichever form it has."""
    if not Path(root).is_dir():
        return set()
    return {path.with_name(segment_name(path) + SUFFIX) for path in segment_paths(root)}
