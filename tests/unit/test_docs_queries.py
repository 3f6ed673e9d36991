"""docs/queries.md: each command prints what is shown, and Python and SQL give the same answer."""

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from click.testing import CliRunner
from sample_tape import make_sample_tape

import fixtape
from queries.measures import Options
from queries.tape import Tape

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
QUESTIONS = 20
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


class Question(NamedTuple):
    title: str
    command: str
    output: str
    python: str
    sql: str


def questions() -> list[Question]:
    """The questions of the page: a title, then what is typed and printed, then Python, then SQL."""
    found = []
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        blocks = _BLOCK.findall(rest)
        assert [kind for kind, _ in blocks] == ["console", "python", "sql"], title
        typed, _, output = blocks[0][1].partition("\n")
        found.append(Question(title, typed.removeprefix("$ "), output, blocks[1][1].strip(), blocks[2][1].strip()))
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("docs")
    make_sample_tape(directory / "tape")
    return directory


@pytest.fixture(scope="module")
def tape(directory: Path) -> Any:
    with Tape(directory / "tape") as tape:
        yield tape


def printed(command: str) -> str:
    """What a command prints to standard output."""
    program, *words = shlex.split(command)
    assert program == "fixtape"
    result = CliRunner().invoke(fixtape._group(), words, prog_name="fixtape")
    assert result.exit_code == 0, result.stderr
    return result.stdout


def rows(answer: Any) -> list[Any]:
    """The rows of an answer, floats to nine digits: sums may be added up in another order."""
    found = answer.fetchall() if isinstance(answer, duckdb.DuckDBPyRelation) else answer
    return [tuple(pytest.approx(it, rel=1e-9) if isinstance(it, float) else it for it in row) for row in found]


def test_there_are_twenty_questions() -> None:
    """Numbered, each with a command, Python and SQL."""
    assert [title.split(".")[0] for title, *_ in questions()] == [str(number) for number in range(1, QUESTIONS + 1)]


@pytest.mark.parametrize("question", questions(), ids=lambda it: it.title[:30])
def test_the_answer_is_as_shown(
    question: Question, directory: Path, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever types the command sees the output; who asks in Python or SQL gets the same rows."""
    monkeypatch.chdir(directory)

    assert printed(question.command) == question.output
    of_python = rows(eval(question.python, {"tape": tape, "Options": Options}))  # noqa: S307 - of our own page
    assert of_python == rows(tape.sql(question.sql))
    assert of_python
