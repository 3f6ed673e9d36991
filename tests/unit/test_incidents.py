"""What the journal knows of a book that disagreed, and the directory that is made of it."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from feeds import LEVELS
from fix import listing, refresh, snapshot
from incident_maker import SECOND, Taped, level

from capture.book.classifier import Numbers
from capture.findings import BookBroken, BookHealed
from capture.market.requests import LEVEL_3
from storage.errors import IncidentUnreadable
from storage.incidents import evidence, keeper
from storage.incidents.bundle import (
    FRAMES,
    INCIDENT,
    OURS,
    SNAPSHOT,
    incident_paths,
    read_frames,
    read_incident,
)
from storage.incidents.cli import incident as incident_command
from storage.incidents.evidence import READ_BYTES_LIMIT, examine
from storage.incidents.keeper import HOUR_LIMIT, IncidentKeeper
from storage.incidents.show import Shown


@pytest.fixture
def taped(tmp_path: Path) -> Taped:
    """A standing book after one good message."""
    taped = Taped(tmp_path).open()
    taped.book("new bid 98.0 5")
    return taped


def test_evidence_is_read_back_by_its_place(taped: Taped) -> None:
    """The last good message, the frames of the symbol both ways, and the next snapshot are found in the journal."""
    good = taped.book("new bid 97.0 5")
    taped.venue("35=0")
    taped.subscribe("M9", "ETH/USD")
    bad = taped.book("change bid 97.0 6", right=False)
    taped.venue(refresh("change bid 97.0 7", checksum=5))
    healed = taped.heal()
    after = taped.book("change bid 99.0 7")

    found = examine(taped.root, taped.broken, healed, bytes_limit=READ_BYTES_LIMIT)

    assert found.last_good is not None
    assert (found.last_good.msg_seq_num, found.last_good.position) == (good, taped.places[good])
    texts = [it.frame.decode().replace("\x01", "|") for it in found.frames]
    assert f"|34={bad}|" in texts[[it.position for it in found.frames].index(taped.places[bad])]
    assert [it.is_sent for it in found.frames][-3:] == [True, True, False], "we stop, we ask anew, the snapshot comes"
    assert not any("ETH/USD" in it or "35=0" in it or f"|34={after}|" in it for it in texts)
    assert found.following is not None
    assert list(found.following.bids) == [level(1000, 1), level(990, 2)]
    assert (found.classified.cause, taped.broken.at.position) == ("venue", taped.places[bad])


def test_numbers_that_never_came_are_a_lost_message(taped: Taped) -> None:
    """A hole that the session did not see is found in the journal: the numbers are counted over all symbols."""
    taped.session.inbound.advance(taped.next + 2)  # As if our own counting were wrong.
    taped.lost()
    taped.lost()
    taped.venue("35=0")
    taped.book("change bid 98.0 6", right=False)

    found = examine(taped.root, taped.broken, None, bytes_limit=None)

    lost = Numbers(taped.next - 4, taped.next - 3)
    assert (found.classified.cause, found.classified.evidence[0].partition(":")[0]) == ("lost message", str(lost))


def test_what_was_sent_again_is_replayed_in_its_turn(taped: Taped) -> None:
    """A gap that was repaired is none: kept and resent messages are taken in the order of their numbers, once."""
    first = taped.next
    book = taped.feed.books.by_symbol["BTC/USD"].book
    assert book is not None
    taped.venue(refresh("change bid 98.0 2"), seq=first + 1)
    taped.venue(refresh("new bid 97.5 2") + " 43=Y", seq=first)
    taped.venue(refresh("change bid 98.0 2") + " 43=Y", seq=first + 1)
    taped.book("change bid 97.5 9", right=False)

    found = examine(taped.root, taped.broken, None, bytes_limit=None)

    assert found.classified.cause == "venue"
    assert "replaying 5 journalled messages" in found.classified.evidence[0]


def test_gap_that_was_filled_over_before_the_snapshot_says_nothing(taped: Taped) -> None:
    """Only what lies between the book's own snapshot and the message counts."""
    first = taped.next
    taped.venue("35=0", seq=first + 1)
    taped.venue(f"35=4 43=Y 123=Y 36={first + 1}", seq=first)
    taped.unsubscribe("M1")
    taped.subscribe("M2")
    taped.venue(snapshot(*LEVELS, md_req_id="M2"))
    taped.book("change bid 99.0 9", right=False)

    assert examine(taped.root, taped.broken, None, bytes_limit=None).classified.cause == "venue"


def test_list_within_the_span_is_a_precision_change(taped: Taped) -> None:
    """What a list says of the instrument between snapshot and message is evidence."""
    taped.venue(listing("BTC/USD"))
    taped.book("change bid 98.0 6", right=False)
    broken = taped.broken
    same = examine(taped.root, broken, None, bytes_limit=None)
    finer = replace(broken, instrument=replace(broken.instrument, price_precision=2))
    other = examine(taped.root, finer, None, bytes_limit=None)

    assert same.classified.cause == "venue"
    assert other.classified.cause == "precision change"


def test_book_that_went_wrong_live_is_ours(taped: Taped) -> None:
    """The journal's messages make the venue's checksum: the live levels are another matter."""
    taped.book("change bid 98.0 6", right=False)
    right = taped.broken
    replayed = examine(taped.root, right, None, bytes_limit=None)
    assert replayed.classified.cause == "venue"
    ours = replace(right, received=right.computed, computed=1, bids=right.bids[:-1])

    assert examine(taped.root, ours, None, bytes_limit=None).classified.cause == "ours"


def test_snapshot_too_far_back_is_not_replayed(taped: Taped) -> None:
    """Past the limit the frames around are read all the same, and it is said why it was not replayed."""
    for number in range(30):
        taped.book(f"change bid 98.0 {number + 1}")
    bad = taped.book("change bid 98.0 99", right=False)

    found = examine(taped.root, taped.broken, None, bytes_limit=1000)

    assert found.classified.cause == "unknown"
    assert "bytes of journal back, and no more than 1000 are read" in found.classified.evidence[0]
    assert any(b"\x0134=%d\x01" % bad in it.frame for it in found.frames)


def test_frames_are_bounded_on_both_sides(taped: Taped) -> None:
    """So many of the symbol's frames before the message and after it, and no more."""
    for number in range(60):
        taped.book(f"change bid 98.0 {number + 1}")
    bad = taped.book("change bid 98.0 99", right=False)
    for number in range(60):
        taped.venue(refresh(f"change bid 98.0 {number + 1}", checksum=1))

    found = examine(taped.root, taped.broken, None, bytes_limit=None)

    numbers = [int(it.frame.partition(b"\x0134=")[2].partition(b"\x01")[0]) for it in found.frames]
    assert numbers == list(range(bad - evidence.FRAMES_BEFORE, bad + evidence.FRAMES_AFTER + 1))


def test_journal_that_is_gone_is_unknown(taped: Taped) -> None:
    """Segments may have been moved away: the incident says so, and keeps what the feed knew."""
    taped.book("change bid 98.0 6", right=False)
    broken = replace(taped.broken, snapshot=taped.broken.snapshot._replace(position=("20010101T000000Z", 0)))
    gone = replace(broken, snapshot=taped.broken.snapshot._replace(position=taped.broken.at.position))
    for path in taped.root.glob("journal/*/*.pcapng"):
        path.unlink()

    found = examine(taped.root, gone, None, bytes_limit=None)

    assert found.classified.cause == "unknown"
    assert "is not in the journal" in found.classified.evidence[0]


def test_book_of_orders_is_replayed_as_one(tmp_path: Path) -> None:
    """Level 3: the slow lane keeps the queues, and books are compared by the sums of their orders."""
    orders = ("offer 101.0 1 X 5", "bid 100.0 3 B 9", "bid 100.0 1 A 2", "bid 99.0 2 C 1")
    taped = Taped(tmp_path).open(*orders, level=LEVEL_3)
    taped.book("change bid 100.0 2 A 2")
    taped.book("change bid 99.0 1 C 1", right=False)
    healed = taped.heal("offer 101.0 1 X 5", "bid 100.0 3 B 9", "bid 100.0 2 A 2", "bid 99.0 1 C 1")

    kept(taped, *taped.findings)

    (path,) = incident_paths(taped.root)
    found = read_incident(path)
    assert (found.level, found.cause, found.detail) == (3, "venue", "wrong checksum"), found.evidence
    assert found.healed is not None
    assert (found.healed.levels_differing, found.healed.at.msg_seq_num) == (0, healed.at.msg_seq_num)
    assert "CRC32" not in run("show", path)
    assert "checksum" not in json.loads(run("show", path, "--format", "json"))["ours"]
    assert run("examine", path).startswith("venue wrong checksum")


# The keeper and its directories.


def kept(taped: Taped, *findings: object) -> IncidentKeeper:
    """A keeper that was told findings, and has ended."""
    keeper = IncidentKeeper(taped.root, taped.root / "journal", run="r", software="fixtape test")
    keeper.handle(findings)  # type: ignore[arg-type]
    keeper.finish()
    return keeper


def test_directory_holds_both_books_side_by_side(taped: Taped) -> None:
    """Each level of ours stands beside what the snapshot has in its place where they differ, and the other way."""
    taped.book("change bid 97.0 6", right=False)
    healed = taped.heal("offer 101.0 1", "offer 102.0 3", "bid 100.0 1", "bid 98.5 2")

    made = kept(taped, *taped.findings)

    (path,) = incident_paths(taped.root)
    rows = list(csv.reader((path / OURS).read_text().splitlines()))
    assert rows == [
        ["side", "place", "price", "size", "other_price", "other_size", "differs"],
        ["bid", "1", "100.0", "1.00000000", "", "", ""],
        ["bid", "2", "99.0", "2.00000000", "98.5", "2.00000000", "only here"],
        ["bid", "3", "98.0", "5.00000000", "", "", "only here"],
        ["bid", "4", "97.0", "6.00000000", "", "", "only here"],
        ["offer", "1", "101.0", "1.00000000", "", "", ""],
        ["offer", "2", "102.0", "2.00000000", "102.0", "3.00000000", "size"],
    ]
    found = read_incident(path)
    assert found.healed is not None
    assert (found.healed.levels_differing, found.healed.at.msg_seq_num) == (5, healed.at.msg_seq_num)
    assert found.healed.after_ms == (healed.at.receive_ns - taped.broken.at.receive_ns) // 10**6
    assert (made.written, made.skipped, made.failed) == (1, 0, 0)
    assert made.notes[0][0] == "incident"
    assert path.name in made.notes[0][1]


def test_incident_is_there_before_its_book_has_healed(taped: Taped) -> None:
    """Without a new snapshot the directory says what is known; nothing is made up."""
    taped.book("change bid 98.0 6", right=False)

    kept(taped, *taped.findings)

    (path,) = incident_paths(taped.root)
    found = read_incident(path)
    assert (found.cause, found.healed) == ("venue", None)
    assert found.text.startswith("BTC/USD: checksum mismatch after MsgSeqNum")
    assert not (path / SNAPSHOT).exists()
    assert any(" < 8=FIX" in line for line in read_frames(path))


def test_snapshot_of_other_precisions_stands_alone(taped: Taped) -> None:
    """A book healed by another precision cannot be laid beside ours, and is kept in its own."""
    taped.book("change bid 98.0 6", right=False)
    taped.venue(listing("BTC/USD", price_precision=2))
    taped.heal("bid 100.01 1")

    kept(taped, *taped.findings)

    (path,) = incident_paths(taped.root)
    found = read_incident(path)
    assert found.healed is not None
    assert (found.healed.price_precision, found.healed.levels_differing) == (2, None)
    assert (path / SNAPSHOT).read_text().splitlines()[1] == "bid,1,100.01,1.00000000,,,"


def test_book_broken_by_an_invariant_of_ours_is_an_incident_too(taped: Taped) -> None:
    """A value of more decimals than the instrument has stops the book without any checksum."""
    taped.book("new bid 98.05 5")

    kept(taped, *taped.findings)

    (path,) = incident_paths(taped.root)
    found = read_incident(path)
    assert (found.cause, found.checksum_computed) == ("precision change", None)
    assert "more decimals" in found.text


def moved(broken: BookBroken, seconds: int, symbol: str = "BTC/USD") -> BookBroken:
    """The same, later and of another symbol."""
    return replace(broken, symbol=symbol, at=broken.at._replace(receive_ns=broken.at.receive_ns + seconds * SECOND))


def test_so_many_in_an_hour_and_the_rest_are_counted(taped: Taped) -> None:
    """Past the limit incidents are counted, and the next one that is written says how many."""
    taped.book("change bid 98.0 6", right=False)
    broken = taped.broken
    storm = [moved(broken, number, f"S{number}") for number in range(HOUR_LIMIT + 5)]

    made = kept(taped, *storm, moved(broken, 3600, "LATER"))

    found = [read_incident(it) for it in incident_paths(taped.root)]
    assert (made.written, made.skipped) == (HOUR_LIMIT + 1, 5)
    assert [it.not_written_before for it in found] == [0] * HOUR_LIMIT + [5]
    assert found[-1].symbol == "LATER"


def test_failure_to_write_is_told_and_ends_nothing(taped: Taped) -> None:
    """Where the disk refuses, a note says so; the next incident is tried all the same."""
    taped.book("change bid 98.0 6", right=False)
    (taped.root / "incidents").write_text("in the way")

    made = kept(taped, taped.broken, moved(taped.broken, 1, "ETH/USD"))

    assert made.written == 0
    assert made.failed >= 2
    kinds = {kind for kind, _ in made.notes}
    assert kinds == {"incident failed"}
    assert "NotADirectoryError" in made.notes[0][1]


def test_findings_without_an_incident_are_nobody_s(taped: Taped) -> None:
    """A book that heals after a gap or a reconnection had none."""
    taped.book("change bid 98.0 6", right=False)
    healed = taped.heal()

    made = kept(taped, healed)

    assert (made.written, list(made.notes), incident_paths(taped.root)) == (0, [], [])


def test_incident_healed_long_after_is_completed(taped: Taped, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was looked at without its snapshot is looked at again when that comes."""
    monkeypatch.setattr(keeper, "HEAL_S", 0.0)
    taped.book("change bid 98.0 6", right=False)
    made = IncidentKeeper(taped.root, taped.root / "journal", run="r", software="s")
    made.handle([taped.broken])
    for _ in range(1000):
        if made.notes:
            break
        made._thread.join(0.01)
    assert read_incident(incident_paths(taped.root)[0]).healed is None

    made.handle([taped.heal()])
    made.finish()

    assert read_incident(incident_paths(taped.root)[0]).healed is not None
    assert len(made.notes) == 2


# The commands.


def run(*arguments: object) -> str:
    """What a command prints."""
    done = CliRunner().invoke(incident_command, [str(it) for it in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_commands_show_what_is_there(taped: Taped) -> None:
    """`ls` in each form; `show` for people and whole; `examine` writes down what it finds."""
    taped.book("change bid 97.0 6", right=False)
    taped.heal()
    kept(taped, *taped.findings)
    (path,) = incident_paths(taped.root)

    listed = json.loads(run("ls", taped.root, "--format", "json"))
    assert [(it["incident"], it["symbol"], it["cause"]) for it in listed] == [(path.name, "BTC/USD", "venue")]
    assert run("ls", taped.root, "--format", "csv").splitlines()[1].startswith(f"{path.name},BTC/USD,")
    assert path.name in run("ls", taped.root)

    shown = run("show", path)
    assert "cause      venue" in shown
    assert "ours: CRC32" in shown
    assert "≠" in shown
    assert ">> 20260301-" in shown
    whole = json.loads(run("show", path, "--format", "json"))
    assert whole["ours"]["bids"][0] == ["100.0", "1.00000000"]
    assert whole["ours"]["checksum"] == whole["incident"]["checksum_computed"]
    assert whole["frames"] == read_frames(path)

    before = (path / INCIDENT).read_text()
    assert run("examine", path).startswith("venue")
    assert (path / INCIDENT).read_text() == before


def test_no_incidents_is_said(tmp_path: Path) -> None:
    """A tape without one prints nothing to standard output."""
    done = CliRunner().invoke(incident_command, ["ls", str(tmp_path)])

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no incidents\n")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (INCIDENT, "{", "incident.json"),
        (INCIDENT, '{"schema": 99}', "its schema is 99, at most 1 is known here"),
        (OURS, "side,place,price,size\nbid,1,abc,1\n", "book-ours.csv"),
        (INCIDENT, None, "No such file"),
    ],
)
def test_directory_that_is_none_is_told(taped: Taped, name: str, text: str | None, reason: str) -> None:
    """One line: which directory, what of it, and where to look."""
    taped.book("change bid 98.0 6", right=False)
    kept(taped, *taped.findings)
    (path,) = incident_paths(taped.root)
    (path / name).unlink()
    if text is not None:
        (path / name).write_text(text)

    done = CliRunner().invoke(incident_command, ["show", str(path)])

    assert done.exit_code == 74
    assert reason in done.output
    with pytest.raises(IncidentUnreadable):
        Shown.of(path)


def test_text_of_the_venue_cannot_steer_a_terminal(taped: Taped) -> None:
    """A symbol with an escape in it is shown escaped, and is in no path."""
    taped.book("change bid 98.0 6", right=False)
    kept(taped, replace(taped.broken, symbol="../\x1b[31mX"))

    (path,) = incident_paths(taped.root)

    assert path.parent == taped.root / "incidents"
    assert "\x1b" not in run("show", path)
    assert "\x1b" not in run("ls", taped.root)
    assert {it.name for it in path.iterdir()} == {INCIDENT, OURS, FRAMES}


def test_finding_of_healing_says_which_message(taped: Taped) -> None:
    """The snapshot's number and place are those of the message."""
    taped.book("change bid 98.0 6", right=False)

    healed = taped.heal()

    assert isinstance(healed, BookHealed)
    assert healed.at.position == taped.places[healed.at.msg_seq_num]
