"""A book that disagrees with the venue leaves an incident, and the recording goes on."""

import subprocess
import sys
from pathlib import Path

import pytest
from venues import SOFTWARE, record_until, recordings, settings_for, venue_thread

import fixtape
from storage.incidents.bundle import FRAMES, OURS, SNAPSHOT, incident_paths, read_book, read_frames, read_incident
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))
AT = 300


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """A recording in which one 5041 was wrong."""
    folder = tmp_path_factory.mktemp("incident")
    root = folder / "tape"
    with venue_thread(recordings("ethusd-d25"), faults=[f"book-checksum@{AT}"]) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(folder / "ca.pem"), root, depth=25)

        def done(recorder):
            healed = recorder.feed.books_proven == 1 and recorder.counters.mismatches == 1
            return healed and recorder.counters.market_data >= 1500

        summary, _ = record_until(settings, done)
    return root, summary


def test_it_is_there_once_and_whole(tape):
    """One directory with all its files, named for a time and a number; the run's summary counts it."""
    root, summary = tape

    (path,) = incident_paths(root)

    assert (summary.incidents, summary.incidents_not_written) == (1, 0)
    assert {it.name for it in path.iterdir()} == {"incident.json", FRAMES, OURS, SNAPSHOT}
    assert path.name.replace("T", "").replace(".", "").replace("Z-1", "").isdigit()


def test_it_says_what_the_events_and_messages_say(tape):
    """Numbers, times, checksums and places are those of the lake."""
    root, _ = tape
    incident = read_incident(incident_paths(root)[0])

    with fixtape.open(root) as opened:
        ((seq, from_ns, to_ns, expected, received),) = opened.sql(
            "SELECT msg_seq_num, from_ns, to_ns, expected, received FROM events WHERE kind = 'mismatch'"
        ).fetchall()
        (healed,) = opened.sql("SELECT msg_seq_num, to_ns FROM events WHERE kind = 'healed'").fetchall()
        places = {
            number: place
            for number, *place in opened.sql(
                "SELECT msg_seq_num, receive_ns, segment, segment_offset FROM messages"
            ).fetchall()
        }

    assert (incident.at.msg_seq_num, incident.at.receive_ns) == (seq, to_ns)
    assert (str(incident.checksum_received), str(incident.checksum_computed)) == (expected, received)
    assert incident.last_good.receive_ns == from_ns
    assert (incident.healed.at.msg_seq_num, incident.healed.at.receive_ns) == healed
    for place in (incident.at, incident.last_good, incident.snapshot, incident.healed.at):
        assert places[place.msg_seq_num] == [place.receive_ns, place.segment, place.segment_offset]


def test_it_is_the_venue_s_wrong_checksum(tape):
    """The slow lane has the live book, what came after agrees with it: 5041 was wrong once, and the words say so."""
    root, _ = tape
    path = incident_paths(root)[0]
    incident = read_incident(path)

    assert (incident.cause, incident.detail) == ("venue", "wrong checksum"), incident.evidence
    ours, snapshot = read_book(path, OURS, (2, 8)), read_book(path, SNAPSHOT, (2, 8))
    assert ours.checksum() == incident.checksum_computed
    assert (len(ours.bids), len(snapshot.bids)) == (25, 25)
    assert any(f"|34={incident.at.msg_seq_num}|" in line for line in read_frames(path))


def test_an_event_leads_to_it_and_a_rebuild_writes_none(tape, tmp_path):
    """The lake names the directory; the lake made anew is the same, and no incident is written for it."""
    root, _ = tape
    (path,) = incident_paths(root)
    before = {it: it.stat().st_mtime_ns for it in path.iterdir()}

    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)

    with fixtape.open(root) as opened:
        notes = opened.sql("SELECT text FROM events WHERE kind = 'note' AND expected = 'incident'").fetchall()
    assert notes == [(f"ETH/USD: venue wrong checksum: incidents/{path.name}",)]
    again, lake = (
        {it.relative_to(of).as_posix() for it in of.rglob("*.parquet")} for of in (tmp_path / "again", root / "lake")
    )
    assert again == lake
    assert {it: it.stat().st_mtime_ns for it in path.iterdir()} == before
    assert not (tmp_path / "incidents").exists()


def test_commands_print_it(tape):
    """`ls`, `show` and `examine` agree about it."""
    root, _ = tape
    (path,) = incident_paths(root)

    def run(*arguments):
        done = subprocess.run([FIXTAPE, "incident", *map(str, arguments)], capture_output=True, text=True, check=True)
        return done.stdout

    assert path.name in run("ls", root)
    shown = run("show", path)
    assert "cause      venue, wrong checksum" in shown
    assert "snapshot: CRC32" in shown
    assert run("examine", path).startswith("venue wrong checksum\n")
    assert run("show", path) == shown
