"""Every case of the session has a conversation, named by its id, for each role that it applies to."""

from collections import defaultdict
from pathlib import Path

from capture.venue.conversation import read

HERE = Path(__file__).parent
CASES = HERE.parent / "data" / "session-cases.txt"
CASES_COUNT = 152
ROLES = {"I": {"initiator"}, "A": {"acceptor"}, "B": {"initiator", "acceptor"}}
PLAYED = {"": "initiator", "acceptor": "acceptor", "echo": "acceptor"}  # By what a file says of its role.


def cases() -> dict[str, set[str]]:
    """Each case and the roles that it applies to."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return {name: ROLES[role] for name, role in (it.split() for it in lines if not it.startswith("#"))}


def played() -> dict[str, set[str]]:
    """Each id that names a conversation, and the roles in which it is played."""
    found = defaultdict(set)
    for path in HERE.glob("*.txt"):
        settings, _ = read(path)
        found[path.stem.partition("_")[0]].add(PLAYED[settings.get("role", "")])
    return found


def test_every_case_is_listed() -> None:
    """The list is whole: a case that falls out of it would not be missed otherwise."""
    assert len(cases()) == CASES_COUNT


def test_every_case_has_a_conversation_for_each_of_its_roles() -> None:
    """Nothing is missing, and it is said what."""
    there = played()

    missing = [
        f"{case}: no conversation as {role}" for case, roles in cases().items() for role in sorted(roles - there[case])
    ]

    assert missing == []


def test_every_conversation_is_named_by_a_case() -> None:
    """A file of another name would be no case's."""
    assert set(played()) <= set(cases())


def test_every_conversation_says_its_role_in_its_name() -> None:
    """What an acceptor plays is called so, so that a listing shows who has what."""
    acceptors = {path.stem for path in HERE.glob("*.txt") if PLAYED[read(path)[0].get("role", "")] == "acceptor"}

    assert {it for it in acceptors if "_acceptor_" not in it} == set()
