"""The commands: what is printed where, and how they end."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from lake_maker import make_lake
from lake_rows import T0, add, add_change, add_snapshot

from capture.columns import Action, Columns, Side
from queries.cli import book_command, changes_command, trades_command
from queries.sql_cli import sql_command

COMMANDS = {"changes": changes_command, "trades": trades_command, "book": book_command, "sql": sql_command}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(Side.BID, 280030, 48), (Side.OFFER, 280130, 100000)])
    add_change(columns, seq=2, at=T0 + 1, side=Side.OFFER, price=280130, size=96506, action=Action.CHANGE)
    add(columns, "trades", receive_ns=T0 + 2, msg_seq_num=3)
    return str(make_lake(tmp_path_factory.mktemp("tape"), columns))


def run(name: str, *arguments: str) -> Result:
    return CliRunner().invoke(COMMANDS[name], list(arguments))


def test_changes_prints_a_window(root: str) -> None:
    """From is in, to is not; a table has the columns that a person reads, with exact numbers."""
    result = run(
        "changes", root, "--symbol", "BTC/USD", "--from", "2026-11-22T11:55:00.123456789Z", "--to", "2026-11-23T00:00Z"
    )

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:2] == [
        "receive_time                    side   action      price        size  proven  msg_seq_num",
        "2026-11-22T11:55:00.123456789Z  bid    snapshot  28003.0  0.00000048  true              1",
    ]
    assert len(result.stdout.splitlines()) == 4


def test_changes_limits_and_formats(root: str) -> None:
    """CSV and JSON have every column; the limit counts rows."""
    lines = run("changes", root, "--symbol", "BTC/USD", "--format", "json", "--limit", "2").stdout.splitlines()
    rows = run("changes", root, "--symbol", "BTC/USD", "--format", "csv").stdout.splitlines()

    assert len(lines) == 2
    assert json.loads(lines[0])["receive_ns"] == T0
    assert (len(rows), rows[0].split(",")[:3]) == (4, ["receive_time", "symbol", "side"])


def test_trades_prints_trades(root: str) -> None:
    """Sides and order types are words."""
    row = json.loads(run("trades", root, "--symbol", "BTC/USD", "--format", "json").stdout)

    assert (row["aggressor_side"], row["order_type"], row["price"]) == ("buy", "limit", 28013.0)


def test_book_prints_the_end_of_what_is_recorded(root: str) -> None:
    """Without a moment it is the last one; a ladder and the certificate."""
    result = run("book", root, "--symbol", "BTC/USD")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "BTC/USD at 2026-11-22T11:55:00.123456791Z"
    assert result.stdout.splitlines()[2] == "0.00000048  28003.0 | 28013.0  0.00096506"


def test_book_prints_any_moment_in_any_format(root: str) -> None:
    """CSV has the levels, JSON both sides and the certificate."""
    at = ("--at", "2026-11-22T11:55:00.123456789Z", "--depth", "1")

    book = json.loads(run("book", root, "--symbol", "BTC/USD", *at, "--format", "json").stdout)
    rows = run("book", root, "--symbol", "BTC/USD", *at, "--format", "csv").stdout.splitlines()

    assert (book["offers"], book["certificate"]["begin_msg_seq_num"]) == ([[28013.0, 0.001]], 1)
    assert rows == ["side,position,price,size", "bid,1,28003.0,0.00000048", "offer,1,28013.0,0.00100000"]


def test_sql_answers_and_stays_in_the_lake(root: str) -> None:
    """A SELECT prints; anything else ends with one line and a code, and writes nothing."""
    assert run("sql", root, "SELECT count(*) AS n FROM trades", "--format", "csv").stdout == "n\n1\n"
    for query in (
        "SELECT * FROM read_text('/etc/passwd')",
        f"COPY trades TO '{root}/out.csv'",
        f"COPY trades TO '{root}/lake/out.csv'",
        "SELECT 1; SELECT 2",
        "SELECT 1 / 0 + CAST('x' AS INTEGER)",
        "SELECT nothing",
    ):
        result = run("sql", root, query)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("fixtape: statement failed: ")
        assert result.stderr.count("\n") == 1
    assert not list(Path(root).rglob("out.csv"))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("changes", "{root}", "--symbol", "BTC/USDT"), 1, "did you mean BTC/USD?"),
        (("changes", "{root}", "--symbol", "\x1b[31m"), 1, "is not in the lake"),
        (("changes", "{root}", "--symbol", "BTC/USD", "--to", "2020-01-01T00:00Z"), 1, "is outside the lake"),
        (("changes", "{root}", "--symbol", "BTC/USD", "--from", "2020-01-01"), 2, "write it in UTC"),
        (("changes", "{root}", "--symbol", "BTC/USD", "--limit", "-1"), 2, "--limit"),
        (("book", "{root}", "--symbol", "BTC/USD", "--at", "2020-01-01T00:00Z"), 1, "no message about it is that old"),
        (("book", "{root}", "--symbol", "BTC/USD", "--depth", "0"), 2, "--depth"),
        (("book", "{root}/lake/trades", "--symbol", "BTC/USD"), 2, "no lake here"),
        (("book", "{root}/nowhere", "--symbol", "BTC/USD"), 2, "does not exist"),
        (("book", "{root}"), 2, "--symbol"),
    ],
)
def test_a_misuse_ends_with_words_and_a_code(root: str, arguments: tuple[str, ...], exit_code: int, words: str) -> None:
    """Nothing on standard output, a line to act on, no traceback, no escape from the arguments."""
    name, *rest = (argument.format(root=root) for argument in arguments)

    result = run(name, *rest)

    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert words in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_every_option_and_an_example(name: str) -> None:
    """Every option says what it is, every command shows a worked example."""
    command = COMMANDS[name]

    text = CliRunner().invoke(command, ["--help"]).stdout

    assert f"fixtape {name} ./tape" in text
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))
