"""Parquet files made to break a reader, read in a process that is held to its memory and time."""

import ast
import resource
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from lake_maker import make_lake
from lake_rows import T0, add

from capture.columns import Columns
from storage.lake import Lake
from storage.schemas import TABLES

REPOSITORY = Path(__file__).parents[2]
MEMORY_BYTES = 4 << 30  # Of address space: the libraries alone map more than one.
CPU_S = 90
WALL_S = 110
FLIPS = 150  # Files a campaign: some in a footer, the rest anywhere.

# Every file once by what answers questions and once by pyarrow with its page checksums; a line for each.
READER = """
import sys
from pathlib import Path
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from storage.inspection import trouble
from storage.stores import LocalStore

def by_us(path):
    found = trouble(LocalStore(path.parent), path.name, size=path.stat().st_size, rows=ROWS)
    if found is not None:
        raise ValueError(found)

def by_duckdb(path):
    with duckdb.connect(config={"memory_limit": "500MB", "threads": 1, "temp_directory": ""}) as connection:
        connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()

def by_pyarrow(path):
    pq.ParquetFile(path, page_checksum_verification=True).read().to_pylist()

ROWS = int(sys.argv[2])
for path in sorted(Path(sys.argv[1]).iterdir()):
    for reader in (by_us, by_duckdb, by_pyarrow):
        print(path.name, reader.__name__, end=" ", flush=True)
        try:
            reader(path)
        except Exception as error:
            print("refused", type(error).__name__, flush=True)
        else:
            print("read", flush=True)
print("done")
"""
ROWS = 200


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One file of each of three tables: integers, texts and lists."""
    columns = Columns()
    for seq in range(ROWS):
        for table in ("book_changes", "trades", "books"):
            add(columns, table, symbol=f"S{seq % 3}", msg_seq_num=seq, receive_ns=T0 + seq * 997)
    lake = Lake.open(make_lake(tmp_path_factory.mktemp("lake"), columns) / "lake")
    return [file.path.read_bytes() for table in TABLES for file in lake.files(table)]


def read_all(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Read every file in a child with limits; return what came of each, reader by reader.

    Errors: AssertionError where the child did not come to its end by itself.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = subprocess.run(
        [sys.executable, "-c", READER, str(folder), str(ROWS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=WALL_S,
        cwd=REPOSITORY,
        preexec_fn=limit,
    )
    *lines, last = done.stdout.splitlines() or [""]
    assert (done.returncode, last) == (0, "done"), f"the reader ended at {last!r}: {done.stderr[-2000:]}"
    found: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        name, reader, outcome = line.split(" ")[:3]
        found.setdefault(name, []).append((reader, outcome))
    return found


def test_flipped_bits_break_no_reader(files: list[bytes], tmp_path: Path) -> None:
    """A bit flipped anywhere is refused or read, by each reader, and none crashes, hangs or takes all memory."""
    random = Random("flipped bits")  # noqa: S311 - damage, not a secret
    for number in range(FLIPS):
        data = bytearray(files[number % len(files)])
        footer = int.from_bytes(data[-8:-4], "little") + 8
        begin = len(data) - footer if number % 2 else 0
        for _ in range(random.choice((1, 1, 4, 32))):
            data[random.randrange(begin, len(data))] ^= 1 << random.randrange(8)
        (tmp_path / f"{number:04}").write_bytes(data)

    found = read_all(tmp_path)

    assert len(found) == FLIPS
    assert all(len(outcomes) == 3 for outcomes in found.values())
    refused = sum(outcome == "refused" for outcomes in found.values() for _, outcome in outcomes)
    assert 0 < refused < 3 * FLIPS, "the campaign is blind"


def test_claims_of_size_break_no_reader(files: list[bytes], tmp_path: Path) -> None:
    """Numbers of a footer at their largest, counts and lengths among them, are refused or read."""
    random = Random("huge sizes")  # noqa: S311 - damage, not a secret
    for number in range(FLIPS):
        data = bytearray(files[number % len(files)])
        footer = len(data) - int.from_bytes(data[-8:-4], "little") - 8
        at = random.randrange(footer, len(data) - 18)
        huge = (b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xf9" * 5)
        data[at : at + 9] = random.choice(huge).ljust(9, b"\x01")
        (tmp_path / f"{number:04}").write_bytes(data)

    found = read_all(tmp_path)

    ours = [outcome for outcomes in found.values() for reader, outcome in outcomes if reader == "by_us"]
    assert len(ours) == FLIPS
    assert ours.count("refused") > FLIPS // 2


def test_nested_footers_break_no_reader(files: list[bytes], tmp_path: Path) -> None:
    """A footer that opens a struct in a struct ten thousand deep, or a list of 2 billion, ends as an error."""
    head = files[0][: -int.from_bytes(files[0][-8:-4], "little") - 8]
    footers = {
        "structs": b"\x1c" * 10_000,
        "lists": b"\x19\x9c" + b"\xff\xff\xff\xff\x0f" + b"\x19\xfc\xff\xff\xff\xff\x07" * 100,
        "name": b"\x15\x04\x19\x2c\x48\xff\xff\xff\xff\x07schema",
        "nothing": b"\x00",
        "ones": b"\xff" * 4096,
    }
    for name, footer in footers.items():
        (tmp_path / name).write_bytes(head + footer + len(footer).to_bytes(4, "little") + b"PAR1")

    found = read_all(tmp_path)

    assert {name: outcomes for name, outcomes in found.items() if "read" in dict(outcomes).values()} == {}


# What would run code out of a file.

FORBIDDEN_MODULES = frozenset({"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "yaml"})
FORBIDDEN_CALLS = frozenset({"eval", "exec", "compile", "__import__"})


def forbidden(path: Path) -> list[str]:
    """Return what a source imports or calls that makes code or objects out of data."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [it.name for it in node.names if it.name.partition(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FORBIDDEN_MODULES:
            found.append(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append(node.func.id)
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.append("allow_pickle")
    return found


def test_nothing_makes_objects_out_of_data() -> None:
    """No source of ours imports pickle, marshal, shelve or YAML, or evaluates text."""
    sources = [REPOSITORY / "fixtape.py"]
    sources += [path for package in ("capture", "storage", "queries") for path in (REPOSITORY / package).rglob("*.py")]
    found = {(str(path.relative_to(REPOSITORY)), what) for path in sources for what in forbidden(path)}

    assert len(sources) > 100
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "import yaml.loader",
        "x = eval('1')",
        "np.load(f, allow_pickle=True)",
    ],
)
def test_the_gate_sees(source: str, tmp_path: Path) -> None:
    """The gate above is not blind."""
    (tmp_path / "source.py").write_text(source)

    assert forbidden(tmp_path / "source.py")
