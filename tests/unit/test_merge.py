"""Lakes of two recorders merged: what the third holds, what a second call does, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from two_recorders import BEGIN_NS, SYMBOL, Recorded, Truth

from queries.cli import silence_command
from queries.tape import Tape
from storage.commits import TableLog
from storage.errors import LakeNewer, MergeRefused, MergeStateLost, RootLocked
from storage.lake import Lake
from storage.schemas import SCHEMA_VERSION
from storage.tape_layout import LAKE, LOCK, locked
from storage.union.cli import merge as command
from storage.union.unite import merge
from storage.verify import Checked, Scope, verify_lake
from storage.verify_rows import verify_books, verify_numbers

LATER_NS = 2**62
MIDNIGHT_NS = BEGIN_NS - BEGIN_NS % 86_400_000_000_000 + 86_400_000_000_000
EDITS = [("bid" if number % 2 else "offer", 1 + number * 7 % 12, number % 4) for number in range(40)]
GOT, DOWN, LOST = "got", "down", "lost"


def pair(root: Path, fates_a: list[str], fates_b: list[str], *, begin_ns: int = BEGIN_NS) -> tuple[Path, Path, Truth]:
    """Return the tapes of two recorders of one truth, the second's clock 20 ms behind."""
    truth = Truth(EDITS, begin_ns=begin_ns)
    a = Recorded(truth, fates_a, offset_ns=0, seed=1, patience=1).lake(root / "a")
    b = Recorded(truth, fates_b, offset_ns=-20_000_000, seed=2, patience=1).lake(root / "b")
    return a, b, truth


def again(a: Path, b: Path, into: Path, now_ns: int = LATER_NS, until: str | None = None) -> list[str]:
    """Merge and return the dates that were new."""
    return merge(a, b, into, now_ns=now_ns, until=until, software="test").merged


def names(root: Path) -> set[str]:
    """The files of a lake, by their names, which are their contents'."""
    return {str(path.relative_to(root)) for path in root.rglob("*.parquet")}


@pytest.fixture
def tapes(tmp_path: Path) -> tuple[Path, Path, Truth]:
    """Two recorders: the first was away for a while, the second lost two messages while both were up."""
    fates_a = [DOWN if 8 <= number < 18 else GOT for number in range(40)]
    fates_b = [LOST if number in (25, 26) else GOT for number in range(40)]
    return pair(tmp_path, fates_a, fates_b)


def test_books_are_the_venues_over_an_outage_and_a_loss(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """At the moment of each message the merged lake's book is the venue's, unsuspected, with the venue's checksum."""
    a, b, truth = tapes

    again(a, b, tmp_path / "c")

    with Tape(tmp_path / "c") as tape:
        moments = tape.sql(
            "SELECT entry_ms, max(receive_ns) FROM book_changes WHERE action NOT IN ('snapshot', 'clear')"
            " AND entry_ms IS NOT NULL GROUP BY entry_ms ORDER BY entry_ms"
        ).fetchall()
        assert [entry_ms for entry_ms, _ in moments] == [sent.entry_ms for sent in truth.sent]
        for number in (9, 20, 26, 28, 40):
            moment = moments[number - 1][1]
            book = tape.book(SYMBOL, moment, depth=100)
            bids, offers = truth.book_after(sum(at <= moment for _, at in moments))  # Of one moment the last counts.
            assert [(level.price * 10, level.size * 10**8) for level in book.bids] == bids
            assert [(level.price * 10, level.size * 10**8) for level in book.offers] == offers
            assert (book.certificate.rows_suspect, book.certificate.checksum_agrees) == (0, True)


def test_a_merged_lake_verifies_and_keeps_the_events_of_both(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """Hashes, logs, order, numbers and key frames hold; both recorders' events are there under their sessions."""
    a, b, _ = tapes

    again(a, b, tmp_path / "c")

    lake = tmp_path / "c" / LAKE
    assert list(verify_lake(lake, Scope(), Checked(), lambda _size: None)) == []
    assert list(verify_numbers(lake, Scope(), Checked())) == []
    assert list(verify_books(lake, Scope(), Checked())) == []
    events = "SELECT count(*) FROM events WHERE kind IN ('logon', 'disconnect', 'gap')"
    counts = []
    for root in (a, b, tmp_path / "c"):
        with Tape(root) as tape:
            counts += tape.sql(events).fetchall()[0]
    assert counts[0] + counts[1] == counts[2]


def test_sightings_tell_who_saw_what(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """Each message is told once with both recorders' times; a message of the outage bears one."""
    a, b, _ = tapes

    again(a, b, tmp_path / "c")

    with Tape(tmp_path / "c") as tape:
        seen = tape.sql(
            "SELECT seen_by_a, seen_by_b, count(*), count(msg_seq_num) FROM sightings"
            " WHERE msg_type = 'X' GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        dangling = tape.sql(
            "SELECT count(*) FROM sightings ANTI JOIN messages USING (session_id, msg_seq_num)"
            " WHERE sightings.msg_seq_num IS NOT NULL"
        ).fetchall()
    assert seen == [(False, True, 10, 10), (True, False, 2, 2), (True, True, 28, 28)]
    assert dangling == [(0,)]


def test_a_snapshot_within_what_the_other_saw_whole_is_only_a_sighting(
    tapes: tuple[Path, Path, Truth], tmp_path: Path
) -> None:
    """Of the four snapshots of both the book needs the first; of the others it is told who got them and when."""
    a, b, _ = tapes

    again(a, b, tmp_path / "c")

    with Tape(tmp_path / "c") as tape:
        told = tape.sql("SELECT count(*), count(msg_seq_num) FROM sightings WHERE msg_type = 'W'").fetchall()
        kept = tape.sql("SELECT count(*) FROM messages WHERE msg_type = 'W'").fetchall()
    assert (told, kept) == ([(4, 1)], [(1,)])


def test_silence_is_not_told_from_a_merged_lake(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """Sessions whose messages were merged say nothing of their own silence: an answer would be wrong."""
    a, b, _ = tapes

    again(a, b, tmp_path / "c")

    with Tape(tmp_path / "c") as tape:
        assert tape.silence().fetchall() == []
        assert tape.silence(SYMBOL).fetchall() == []


def test_a_second_call_changes_nothing(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """A date that is merged is left alone, and merging anew gives the same files."""
    a, b, _ = tapes
    again(a, b, tmp_path / "c")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c" / LAKE).rglob("*") if path.is_file()}

    assert again(a, b, tmp_path / "c") == []
    again(a, b, tmp_path / "d")

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c" / LAKE).rglob("*") if path.is_file()} == before
    assert names(tmp_path / "c") == names(tmp_path / "d")


def test_midnight_is_no_border(tmp_path: Path) -> None:
    """Date by date, as the days go, comes to the same files as both at once, and no message of midnight comes twice."""
    a, b, truth = pair(tmp_path, [GOT] * 40, [GOT] * 40, begin_ns=MIDNIGHT_NS - 130_000_000)
    into = tmp_path / "c"

    first = again(a, b, into, until="2026-03-01")
    second = again(a, b, into)
    again(a, b, tmp_path / "d")

    assert (first, second) == (["2026-03-01"], ["2026-03-02"])
    assert names(into) == names(tmp_path / "d")
    with Tape(into) as tape:
        told = tape.sql("SELECT count(*), count(DISTINCT checksum_received) FROM messages WHERE msg_type = 'X'")
        assert told.fetchall()[0] == (len(truth.sent), len({sent.text.rpartition("5041=")[2] for sent in truth.sent}))
        assert tape.sql("SELECT count(*) FROM book_changes WHERE flags & 4 <> 0").fetchall() == [(0,)]


def test_groups_of_symbols_make_no_difference_to_rows(
    tapes: tuple[Path, Path, Truth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each symbol in a group by itself, and messages without a symbol too, rows are the same."""
    a, b, _ = tapes
    again(a, b, tmp_path / "c")
    monkeypatch.setattr("storage.union.day.GROUP_MESSAGES_LIMIT", 1)

    again(a, b, tmp_path / "d")

    rows = []
    for root in (tmp_path / "c", tmp_path / "d"):
        with Tape(root) as tape:
            asked = ("SELECT * FROM messages ORDER BY ALL", "SELECT * FROM quotes ORDER BY ALL")
            rows.append([tape.sql(it).fetchall() for it in asked])
    assert len(rows[0][0]) > 40
    assert rows[0] == rows[1]


def test_a_merge_killed_within_its_commits_goes_on(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """With some tables committed and the last one not, another call commits the others, and nothing is there twice."""
    a, b, _ = tapes
    again(a, b, tmp_path / "whole")
    again(a, b, tmp_path / "c")
    for path in (tmp_path / "c" / LAKE / "events" / "_delta_log").glob("*1.json"):
        path.unlink()  # As if killed before the commit that makes the date whole.

    assert again(a, b, tmp_path / "c") == ["2026-03-01"]

    assert names(tmp_path / "c") == names(tmp_path / "whole")
    lake = Lake.open(tmp_path / "c" / LAKE)
    assert lake.files("messages") != []
    assert list(verify_lake(lake.path, Scope(), Checked(), lambda _size: None)) == []


def test_a_day_that_is_not_over_waits(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """Today's rows are left for tomorrow; --until takes them, unless a recorder is at work."""
    a, b, _ = tapes
    into = tmp_path / "c"

    assert merge(a, b, into, now_ns=BEGIN_NS, software="test").unfinished == ["2026-03-01"]
    (a / LOCK).touch()
    with locked(a, doing="record"), pytest.raises(RootLocked):
        again(a, b, into, now_ns=BEGIN_NS, until="2026-03-01")
    assert again(a, b, into, now_ns=BEGIN_NS, until="2026-03-01") == ["2026-03-01"]


def test_what_cannot_be_merged_is_refused(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """One root twice or in another, a recorder's tape to write to, a merged lake to read, other lakes than before."""
    a, b, _ = tapes
    again(a, b, tmp_path / "c")

    for roots in ((a, a, tmp_path / "d"), (a, b, b), (a, b, a / "c"), (tmp_path / "c", b, tmp_path / "d")):
        with pytest.raises(MergeRefused):
            again(*roots)
    shutil.copytree(a, tmp_path / "other")
    with pytest.raises(MergeRefused, match="recorder's tape"):
        again(a, b, tmp_path / "other")
    with pytest.raises(MergeRefused, match="in that order"):
        again(b, a, tmp_path / "c")


def test_a_newer_lake_is_refused(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """A table of a later schema is not read by guessing: exit code 78."""
    a, b, _ = tapes
    log = a / LAKE / "trades" / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text().replace(f'"{SCHEMA_VERSION}"', f'"{SCHEMA_VERSION + 1}"'))

    with pytest.raises(LakeNewer) as refused:
        again(a, b, tmp_path / "c")

    assert refused.value.exit_code == 78
    assert TableLog.open(b / LAKE / "trades", "trades") is not None


def test_a_lost_state_is_told(tmp_path: Path) -> None:
    """Without what was kept of its last date a merge cannot go on, and says so."""
    a, b, _ = pair(tmp_path, [GOT] * 40, [GOT] * 40)
    again(a, b, tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / ".merge")

    with pytest.raises(MergeStateLost, match="merge into a new root"):
        again(a, b, tmp_path / "c")


def run(*arguments: str | Path) -> Result:
    """Run `fixtape merge`."""
    return CliRunner().invoke(command, [str(it) for it in arguments])


def test_the_command_prints_who_was_first(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """One row a symbol, in each format; words go to standard error."""
    a, b, _ = tapes

    table = run(a, b, "--into", tmp_path / "c")
    as_csv = run(a, b, "--into", tmp_path / "c", "--format", "csv")
    as_json = run(a, b, "--into", tmp_path / "c", "--format", "json")

    assert table.exit_code == 0, table.output
    assert "merged: 2026-03-01" in table.stderr
    assert "merged before: 2026-03-01" in as_csv.stderr
    row = json.loads(as_json.stdout)
    assert as_csv.stdout.splitlines()[0] == ",".join(row)
    assert (row["symbol"], row["both"], row["first_a"], row["first_b"]) == (SYMBOL, 28, 0, 28)
    assert 15_000 < row["lead_median_us"] <= row["lead_p99_us"] < 25_000
    assert table.stdout.split()[:2] == ["SYMBOL", "BOTH"]


def test_late_rows_are_told(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """Messages that a lake gained of a date that is merged are left out, and the command ends with 3."""
    a, b, truth = tapes
    run(a, b, "--into", tmp_path / "c")
    Recorded(truth, [GOT] * 40, offset_ns=0, seed=3, patience=0).lake(a)

    done = run(a, b, "--into", tmp_path / "c")

    assert done.exit_code == 3
    assert "2026-03-01: a lake has other messages now" in done.stderr


def test_silence_says_why_it_is_empty(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """No row, and one line that names who can answer."""
    a, b, _ = tapes
    again(a, b, tmp_path / "c")

    merged = CliRunner().invoke(silence_command, [str(tmp_path / "c"), "--symbol", SYMBOL, "--format", "csv"])
    recorded = CliRunner().invoke(silence_command, [str(a), "--symbol", SYMBOL, "--format", "csv"])

    assert (merged.exit_code, len(merged.stdout.splitlines())) == (0, 1)
    assert "ask the two tapes" in merged.stderr
    assert recorded.stderr == ""


def test_why_tells_a_merged_tape_without_what_sessions_tell(tapes: tuple[Path, Path, Truth], tmp_path: Path) -> None:
    """Events of both and messages in runs are there; no time counts as unrecorded, and no clock as gone back."""
    a, b, _ = tapes
    again(a, b, tmp_path / "c")

    with Tape(tmp_path / "c") as tape:
        lines = tape.why(SYMBOL).project("what, says, count").fetchall()

    kinds = {what for what, _, _ in lines}
    assert {"logon", "merged", "snapshot", "messages", "clock"} <= kinds
    assert kinds.isdisjoint({"unrecorded", "unknown", "quiet"})
    assert not [says for what, says, _ in lines if what == "clock" and "back" in says]
    assert sum(count for what, _, count in lines if what == "messages") == 41


def test_quality_judges_the_united_books(tmp_path: Path) -> None:
    """What each recorder doubted and the other saw is no doubt of the merged tape; what neither saw is, to its end."""
    got = [GOT] * 40
    lost_a, lost_b = got.copy(), got.copy()
    lost_a[20], lost_b[30] = LOST, LOST
    a, b, _ = pair(tmp_path, lost_a, lost_b)
    lost_a[36], lost_b[36] = LOST, LOST
    c, d, _ = pair(tmp_path / "other", lost_a, lost_b)

    found = []
    for number, roots in enumerate([(a, b), (c, d)]):
        into = tmp_path / f"merged-{number}"
        again(*roots, into)
        with Tape(into) as tape:
            report = tape.quality("2026-03-01")
        found.append({check.name: check for check in report.checks})

    whole, holed = found
    assert [it.findings for it in (whole["suspect"], whole["latency"], whole["files"])] == [(), (), ()]
    assert "merged of two that tell their seconds" in whole["coverage"].findings[0].text
    assert [it.text.partition(";")[0] for it in holed["suspect"].findings] == [
        "neither recorder saw this message right after the one before it"
    ]
