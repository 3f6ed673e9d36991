"""SQL of the user: one statement or a shell, its limits, its files, and a script for a DuckDB of one's own."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from lake_maker import make_lake
from lake_rows import T0, add, add_snapshot

from capture.columns import Columns, Side
from queries.errors import Misused, StatementFailed, StatementTimedOut
from queries.line_editing import HISTORY_MODE, LineEditor, history_path
from queries.shell import PROMPT, PROMPT_MORE, Shell, is_whole, split
from queries.sql_cli import sql_command
from queries.tape import Tape
from storage.schemas import TABLES

ENDLESS = "SELECT count(*) FROM range(1000000000) AS a, range(100000) AS b WHERE a.range * b.range % 7 = 3"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(Side.BID, 280030, 48), (Side.OFFER, 280130, 100000)])
    for index in range(3):
        add(columns, "trades", receive_ns=T0 + index, msg_seq_num=2 + index, size=index + 1)
    return make_lake(tmp_path_factory.mktemp("it's a tape"), columns)


def run(root: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(sql_command, [str(root), *arguments], input=stdin)


class Typed:
    """Lines as if typed; an exception among them is raised."""

    def __init__(self, *lines: str | BaseException) -> None:
        self.lines, self.prompts, self.history = list(lines), [], []  # type: ignore[var-annotated]

    def read(self, prompt: str) -> str:
        self.prompts.append(prompt)
        line = self.lines.pop(0) if self.lines else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line

    def remember(self, statement: str) -> None:
        self.history.append(statement)


def converse(root: Path, *lines: str | BaseException) -> tuple[str, str, Typed]:
    """What a shell prints, what it says, and what was read."""
    out, words, typed = io.StringIO(), io.StringIO(), Typed(*lines)
    with Tape(root) as tape:
        Shell(tape, tape.sql_session(), out=out, words=words, clock=lambda: 0.0).run(typed)
    return out.getvalue(), words.getvalue(), typed


def test_a_statement_ends_with_a_semicolon(root: Path) -> None:
    """It may go over lines, and several may stand on one; the end of the input ends the last."""
    out, words, typed = converse(
        root, "SELECT sum(size_scaled)", "AS s FROM trades;", "SELECT 1; SELECT 2;", "SELECT 'a;'"
    )

    assert out.split() == ["s", "6", "1", "1", "2", "2", "'a;'", "a;"]
    assert words == "0.00 s\n" * 4
    assert typed.prompts == [PROMPT, PROMPT_MORE, PROMPT, PROMPT, PROMPT_MORE]
    assert typed.history[0] == "SELECT sum(size_scaled)\nAS s FROM trades;"


def test_what_fails_is_told_and_the_next_is_answered(root: Path) -> None:
    """A statement that is refused, wrong, or broken off does not end the shell."""
    out, words, _ = converse(
        root, "SELEC 1;", "SELECT * FROM read_text('/etc/passwd');", "SET threads = 1;",
        "SELECT nothing", KeyboardInterrupt(), "SELECT CAST('x' AS INTEGER);", "SELECT 7 AS n;",
    )  # fmt: skip

    assert out == "n\n7\n"
    assert words.count("statement failed: ") == 4
    assert "no function that only reads the tape" in words
    assert words.endswith("0.00 s\n")


def test_dot_commands_look_around(root: Path) -> None:
    """Tables, columns, symbols, functions; formats and limits; anything else is told."""
    out, words, typed = converse(
        root, ".tables", ".columns trades", ".symbols B*", ".symbols X*", ".functions", ".format json", ".limit 1",
        "FROM trades;", ".columns nope", ".format yaml", ".limit -1", ".nope", ".help", ".quit", "SELECT 1;",
    )  # fmt: skip

    lines = out.splitlines()
    assert lines[:4] == ["book_changes", "raw.book_changes", "order_changes", "raw.order_changes"]
    assert "BTC/USD" in lines
    assert "scaled" in lines
    assert json.loads(lines[-1])["size_scaled"] == 1
    assert words.count("no such command; see .help") == 4
    assert ".quit" in words.splitlines()[-1]
    assert typed.lines == ["SELECT 1;"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("SELECT 1;", True),
        ("SELECT 1 ; ", True),
        ("SELECT 1", False),
        ("SELECT 'a;", False),
        ('SELECT "a;', False),
        ("SELECT 1 -- ;", False),
        ("SELECT /* ;", False),
        ("SELECT 'it''s;';", True),
        ("nonsense;", True),
        (";", True),
    ],
)
def test_a_semicolon_in_a_string_or_comment_ends_nothing(text: str, whole: bool) -> None:
    """Only one that ends a statement does, and what is wrong however it goes on is whole."""
    assert is_whole(text) == whole


def test_statements_are_split_by_duckdb_itself() -> None:
    """A semicolon in a string splits nothing; nothing between two is no statement."""
    assert split("SELECT 'a;b'; ; SELECT 2;") == ["SELECT 'a;b'", "SELECT 2"]


def test_completion_knows_what_can_be_typed(root: Path) -> None:
    """Tables, columns, functions, symbols as strings, keywords, dot commands."""
    with Tape(root) as tape:
        words = Shell(tape, tape.sql_session(), out=io.StringIO(), words=io.StringIO()).completions()
    editor = LineEditor(lambda: words, history=None)

    def complete(text: str) -> list[str | None]:
        found = [editor._complete(text, 0)]
        while found[-1] is not None:
            found.append(editor._complete(text, len(found)))
        return found[:-1]

    assert complete("raw.ins") == ["raw.instruments"]
    assert complete("trad") == ["trades"]
    assert complete("'btc") == ["'BTC/USD'"]
    assert complete("agg") == ["aggressor_side"]
    assert complete("sele") == ["SELECT"]
    assert complete("scal") == ["scaled("]
    assert complete(".sym") == [".symbols"]
    assert complete("zzz") == []


def test_history_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It is under the state directory, mode 0600 whatever the umask or an earlier mode was; each statement one line."""
    code = (
        "import os; os.umask(0)\n"
        "from queries.line_editing import LineEditor, history_path\n"
        "with LineEditor(list, history=history_path()) as editor:\n"
        "    editor.remember('SELECT 1\\n  AS a;')\n"
        "print(history_path())"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}

    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        path = Path(done.stdout.strip())
        assert stat.S_IMODE(path.stat().st_mode) == HISTORY_MODE
        path.chmod(0o644)

    assert path == tmp_path / "state" / "fixtape" / "sql_history"
    assert path.read_text() == "SELECT 1 AS a;\n" * 2
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_history_is_never_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that lies in its place is not followed, and the shell goes on without."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "elsewhere").write_text("kept")
    history_path().parent.mkdir()
    history_path().symlink_to(tmp_path / "elsewhere")

    with LineEditor(list, history=history_path()) as editor:
        editor.remember("SELECT 1;")

    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_statements_may_come_from_a_pipe(root: Path) -> None:
    """Each is answered; the first that fails ends it with 1."""
    good = run(root, "--format", "csv", stdin="SELECT 1 AS a;\nSELECT 2 AS b;\n")
    bad = run(root, "--format", "csv", stdin="SELECT 1 AS a; SELECT nope; SELECT 2 AS b;\n")

    assert (good.exit_code, good.stdout, good.stderr) == (0, "a\n1\nb\n2\n", "")
    assert (bad.exit_code, bad.stdout) == (1, "a\n1\n")


def test_time_is_limited(root: Path) -> None:
    """A statement that takes too long is stopped with 1, and the next is answered."""
    result = run(root, "--timeout", "0.05", ENDLESS)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "stopped after 0.05 s" in result.stderr
    with Tape(root) as tape:
        session = tape.sql_session(timeout_s=0.05)
        for query in (ENDLESS, "SELECT * FROM range(100000000000)"):
            with pytest.raises(StatementTimedOut), session.limited():
                session.ask(query).to_arrow_reader(10_000).read_all()
        assert session.ask("SELECT count(*) FROM trades").fetchall() == [(3,)]


def test_ctrl_c_stops_a_statement_at_once(root: Path) -> None:
    """Also while DuckDB works and Python does not: the signal itself interrupts it, and the next is answered."""
    before = signal.getsignal(signal.SIGINT)
    with Tape(root) as tape:
        session = tape.sql_session()
        for query in (ENDLESS, "SELECT * FROM range(100000000000)"):
            soon = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
            soon.start()
            with pytest.raises(KeyboardInterrupt), session.limited():
                session.ask(query).to_arrow_reader(10_000).read_all()
            soon.join()
        assert session.ask("SELECT count(*) FROM trades").fetchall() == [(3,)]

    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_memory_and_threads_are_limited(root: Path) -> None:
    """What needs more fails with a line; nothing is spilled to disk."""
    with Tape(root, memory_limit="64MiB", threads=1) as tape:
        session = tape.sql_session()
        ((threads, memory, spill),) = session.ask(
            "SELECT current_setting('threads'), current_setting('memory_limit'), current_setting('temp_directory')"
        ).fetchall()
        with pytest.raises(StatementFailed, match="Out of Memory"), session.limited():
            session.ask("SELECT list(range) FROM range(50000000)").fetchall()

    assert (threads, memory, spill) == (1, "64.0 MiB", "")
    assert run(root, "--memory-limit", "1GiB", "--threads", "1", "SELECT 1 AS a", "--format", "csv").stdout == "a\n1\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--memory-limit", "lots", "SELECT 1"),
        ("--memory-limit", "1GB'; SET enable_external_access = true; --", "SELECT 1"),
        ("--threads", "0", "SELECT 1"),
        ("--timeout", "0", "SELECT 1"),
        ("--format", "parquet", "SELECT 1"),
        ("--format", "arrow", "--output", "x.arrow"),
        ("--output", "x.csv"),
        ("--init-script", "SELECT 1"),
    ],
)
def test_misuse_is_told_from_failure(root: Path, arguments: tuple[str, ...]) -> None:
    """Options that make no sense, or not together, end with 2 and a line."""
    result = run(root, *arguments, stdin="")

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_rows_go_to_a_file(root: Path, tmp_path: Path) -> None:
    """Every format; the same values come back, and a file that was there is replaced by a whole one."""
    query = "SELECT symbol, price_scaled, receive_time FROM trades ORDER BY receive_ns"
    for form in ("parquet", "arrow", "csv", "json", "table"):
        path = tmp_path / f"rows.{form}"
        path.write_text("before")
        result = run(root, query, "--format", form, "--output", str(path))
        assert (result.exit_code, result.stdout) == (0, "")
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0

    with Tape(root) as tape:
        wanted = tape.sql(query).to_arrow_table()
    assert pq.read_table(tmp_path / "rows.parquet").equals(wanted)
    assert pa.ipc.open_file(tmp_path / "rows.arrow").read_all().equals(wanted)
    assert (tmp_path / "rows.csv").read_text().splitlines()[1] == "BTC/USD,280130,2026-11-22T11:55:00.123456789Z"
    assert len(list(tmp_path.iterdir())) == 5


def test_a_failed_statement_leaves_no_file(root: Path, tmp_path: Path) -> None:
    """What was there stays; nothing half is left."""
    (tmp_path / "kept.parquet").write_text("before")

    result = run(
        root,
        "SELECT CAST(symbol AS INTEGER) FROM trades",
        "--format",
        "parquet",
        "--output",
        f"{tmp_path}/kept.parquet",
    )

    assert result.exit_code == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_no_file_is_written_into_the_tape(root: Path, tmp_path: Path) -> None:
    """Not by its path, nor by a way around, nor through a link."""
    (tmp_path / "link").symlink_to(root)
    before = sorted(root.rglob("*"))

    for path in (
        root / "x.csv",
        root / "lake" / "trades" / "x.parquet",
        root / "lake" / ".." / "x.csv",
        tmp_path / "link" / "x",
    ):
        result = run(root, "SELECT 1", "--format", "csv", "--output", str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert "read only" in result.stderr

    assert sorted(root.rglob("*")) == before


def test_the_script_makes_the_same_views_anywhere(root: Path) -> None:
    """A plain DuckDB that ran it answers as the tape does; it may run twice, and a quote in a path is no way out."""
    script = run(root, "--init-script").stdout

    with Tape(root) as tape, duckdb.connect() as plain:
        for _ in range(2):
            plain.execute(script)
        for name in (*TABLES, *(f"raw.{table}" for table in TABLES)):
            query = f"SELECT * FROM {name} ORDER BY ALL"  # noqa: S608
            assert plain.sql(query).to_arrow_table().equals(tape.sql(query).to_arrow_table())


def test_a_session_of_a_locked_tape_only_reads(root: Path) -> None:
    """Whatever the statement, the door is the same as of `Tape.sql`; an unlocked tape has no door."""
    with Tape(root) as tape, pytest.raises(StatementFailed, match="exactly one SELECT"):
        tape.sql_session().ask("CREATE TABLE t AS SELECT 1")
    with Tape(root, locked=False) as tape:
        session: Any = tape.sql_session()
        assert session.ask("SELECT * FROM glob('/etc/passwd')").fetchall() == [("/etc/passwd",)]
    with Tape(root) as tape, pytest.raises(Misused, match="timeout"):
        tape.sql_session(timeout_s=-1)
