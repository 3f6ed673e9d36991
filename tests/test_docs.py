"""The documents say what is so: every column, kind, command, exit code, and the picture of the states."""

import re
from pathlib import Path

import fixtape
from capture.columns import LAYOUTS
from capture.findings import Kind
from capture.session.states import TRANSITIONS, Signal, State
from capture.trading import orders

ROOT = Path(__file__).parents[1]


def page(name):
    """The text of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_column_is_documented():
    """`docs/tables.md` names each column of each table."""
    named = set(re.findall(r"`(\w+)`", page("docs/tables.md")))

    missing = {f"{table}.{it.name}" for table, layout in LAYOUTS.items() for it in layout if it.name not in named}

    assert missing == set()


def test_every_kind_of_event_is_documented():
    """`docs/tables.md` lists each kind, and none that is not one."""
    kinds = page("docs/tables.md").partition("<!-- kinds: begin -->")[2].partition("<!-- kinds: end -->")[0]
    first_cells = "".join(line.split("|")[1] for line in kinds.splitlines() if line.startswith("| `"))

    assert set(re.findall(r"`(\w+)`", first_cells)) == {kind.value for kind in Kind}


def test_the_picture_of_the_session_is_the_table():
    """The state diagram shows each transition and no other."""
    drawn = set(re.findall(r"^ {4}(\w+) --> (\w+): (.+)$", page("docs/session.md"), flags=re.MULTILINE))
    states = dict(re.findall(r"^ {4}(\w+): (.+)$", page("docs/session.md"), flags=re.MULTILINE))

    assert drawn == {
        (before.name, after.name, signal.value)
        for (before, signal), after in TRANSITIONS.items()
        if signal is not Signal.TRANSPORT_CLOSED
    }
    assert states == {state.name: state.value for state in State}


def test_the_table_of_order_states_is_the_code():
    """`docs/trading.md` has each transition and no other."""
    table = page("docs/trading.md").partition("<!-- orders: begin -->")[2].partition("<!-- orders: end -->")[0]
    head, _, *rows = [[cell.strip() for cell in it.strip("|").split("|")] for it in table.split("\n") if it]
    written = {
        (before, row[0]): after for row in rows for before, after in zip(head[1:], row[1:], strict=True) if after
    }

    assert written == {
        (before.value, signal.value): after.value for (before, signal), after in orders.TRANSITIONS.items()
    }


def test_the_readme_shows_every_command():
    """Each command is in the README, and each `fixtape` line there calls one."""
    called = set(re.findall(r"fixtape (\w+)", "\n".join(re.findall(r"```.*?```", page("README.md"), re.DOTALL))))

    assert set(fixtape.COMMANDS) - {"demo"} <= called
    assert called <= set(fixtape.COMMANDS)


def test_links_between_documents_lead_somewhere():
    """No relative link of a document is dead."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]

    dead = [
        f"{path.name}: {target}"
        for path in pages
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]

    assert dead == []


def test_every_exit_code_is_in_the_readme():
    """Each code that an error of ours ends with is explained."""
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page("README.md"), flags=re.MULTILINE)}
    used = {0, 2}
    for name in ("capture", "storage", "queries"):
        for path in (ROOT / name).rglob("*.py"):
            used |= {int(code) for code in re.findall(r"exit_code.* = (\d+)$", path.read_text(), flags=re.MULTILINE)}

    assert used <= listed
