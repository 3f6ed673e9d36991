"""Each fault of the venue against the recorder: complete data, or an event that names what is missing.

Always a lake that is rebuilt byte for byte.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from venues import SOFTWARE, record_until, recordings, settings_for, venue_thread

import fixtape
from capture.columns import Flag
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

AT = 300
SENT = 1129  # Market messages of the recording.

# By fault: the events that must name it, and whether the recorder had to connect anew.
NAMED = {
    "drop": ({"gap", "gap_fill", "suspect", "healed"}, False),
    "duplicate": ({"violation", "disconnect", "healed"}, True),
    "reorder": ({"gap", "gap_closed"}, False),
    "corrupt": ({"garbled", "gap", "healed"}, False),
    "checksum": ({"garbled", "gap", "healed"}, False),
    "length": ({"garbled", "gap", "healed"}, False),
    "book-checksum": ({"mismatch", "healed"}, False),
    "stall": (set(), False),
    "drip": (set(), False),
    "half": ({"garbled", "disconnect", "healed"}, True),
    "reset": ({"garbled", "disconnect", "healed"}, True),
    "large": ({"unknown_message"}, False),
    "huge": ({"violation", "disconnect", "healed"}, True),
    "endless": ({"garbled", "gap", "healed"}, False),
    "jump": ({"gap", "gap_fill", "healed"}, False),
    "low": ({"violation", "disconnect", "healed"}, True),
    "silent": ({"disconnect", "healed"}, True),
    "empty-snapshot": ({"mismatch", "healed"}, False),
    "precision": ({"precision_change", "suspect", "healed"}, False),
    "skew": ({"time_off"}, False),
    "storm": ({"disconnect", "healed"}, True),
    "rollover": ({"logout", "disconnect", "healed"}, True),
}
AT_THE_SNAPSHOT = {
    "late-snapshot": (set(), False),
    "update-first": ({"mismatch", "healed"}, False),
}


def record(root, tmp_path, *faults, seed=1, heartbeat_s=60, reconnects=False, at=AT, seconds=25.0, **switches):
    """Record the faulty venue until its faults happened and the book stands again; returns summary and server."""
    with venue_thread(recordings("ethusd-d25"), faults=faults, seed=seed, **switches) as (server, credentials):
        settings = settings_for(
            server, credentials.write_ca(tmp_path / "ca.pem"), root, depth=25, heartbeat_s=heartbeat_s
        )

        def done(recorder):
            healed = recorder.feed.books_proven == 1 and recorder.client.connections >= 1 + reconnects
            return bool(server.faults.happened) and healed and recorder.counters.market_data >= max(SENT - 1, at + 50)

        summary, _ = record_until(settings, done, seconds=seconds)
    return summary, server


def kinds(root):
    """How often each kind of event was recorded."""
    with fixtape.open(root) as tape:
        return dict(tape.sql("SELECT kind, count(*) FROM events GROUP BY kind").fetchall())


def assert_rebuilt(root, tmp_path):
    """The lake made anew from the journal has the same files."""
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    again, lake = (
        {path.relative_to(it).as_posix() for path in it.rglob("*.parquet")}
        for it in (tmp_path / "again", root / "lake")
    )
    assert again == lake


@pytest.mark.parametrize("fault", NAMED)
def test_a_fault_in_mid_stream(fault, tmp_path):
    """What is missing has an event that names it, the book stands again; where nothing is missing nothing is said."""
    root = tmp_path / "tape"
    expected, reconnects = NAMED[fault]

    summary, server = record(
        root,
        tmp_path,
        f"{fault}@{AT}",
        reconnects=reconnects,
        heartbeat_s=1 if fault == "silent" else 60,
        rollover_seconds=1,
    )

    found = kinds(root)
    assert [it.split()[0] for it in server.faults.happened] == [fault]
    assert expected <= set(found)
    assert (summary.connections > 1) == reconnects
    assert summary.books_proven == 1
    if not expected:
        assert summary.counters.verified == SENT - 1
        assert not {"gap", "garbled", "mismatch", "suspect", "violation"} & set(found)
    assert_rebuilt(root, tmp_path)


@pytest.mark.parametrize("fault", AT_THE_SNAPSHOT)
def test_a_fault_at_the_snapshot(fault, tmp_path):
    """A snapshot that comes late or after an update ends in a proven book."""
    root = tmp_path / "tape"
    expected, _ = AT_THE_SNAPSHOT[fault]

    summary, server = record(root, tmp_path, f"{fault}@1", at=1)

    assert [it.split()[0] for it in server.faults.happened] == [fault]
    assert expected <= set(kinds(root))
    assert summary.books_proven == 1
    if not expected:
        assert summary.counters.verified == SENT - 1
    assert_rebuilt(root, tmp_path)


def test_a_lost_message_is_replayed(tmp_path):
    """With resends of market data the lost message's rows are in the lake, marked as recovered; nothing is missing."""
    root = tmp_path / "tape"

    summary, server = record(root, tmp_path, f"drop@{AT}", resend="replay")

    lost = int(re.search(r"MsgSeqNum (\d+)", server.faults.happened[0])[1])
    found = kinds(root)
    assert {"gap", "gap_closed", "healed"} <= set(found)
    assert "gap_fill" not in found
    assert summary.books_proven == 1
    with fixtape.open(root) as tape:
        messages = tape.sql("SELECT msg_seq_num FROM messages ORDER BY msg_seq_num").fetchall()
        rows = tape.sql("SELECT msg_seq_num, flags FROM book_changes").fetchall()
    numbers = [number for (number,) in messages]
    assert numbers == list(range(2, len(numbers) + 2))
    assert {Flag.RECOVERED in Flag(flags) for number, flags in rows if number == lost} == {True}
    assert_rebuilt(root, tmp_path)


def test_several_faults_by_script(tmp_path):
    """Faults follow each other at their numbers, and each has its event."""
    root = tmp_path / "tape"

    # Each begins the recording anew, and by how much more was sent meanwhile is a matter of speed: each number is one
    # that even the least of it reaches.
    summary, server = record(root, tmp_path, "book-checksum@100", "drop@1000", "corrupt@1900", at=2000)

    assert [it.split()[0] for it in server.faults.happened] == ["book-checksum", "drop", "corrupt"]
    assert summary.books_proven == 1
    assert {"mismatch", "gap", "garbled", "healed"} <= set(kinds(root))
    assert_rebuilt(root, tmp_path)


def test_faults_at_random(tmp_path):
    """A seed decides which faults happen and when; the recorder comes through them all."""
    root = tmp_path / "tape"

    summary, server = record(root, tmp_path, "any@400", seed=11, at=2000, heartbeat_s=1)

    assert len(server.faults.happened) >= 3
    assert summary.books_proven == 1
    assert_rebuilt(root, tmp_path)


@pytest.mark.parametrize(("fault", "code"), [("tls-1.2", 76), ("certificate", 77)])
def test_a_venue_that_cannot_be_believed(fault, code, tmp_path):
    """An old TLS or a certificate by another authority is refused, and nothing is recorded."""
    fixtape_command = str(Path(sys.executable).with_name("fixtape"))
    options = ["--port", "0", "--ca-out", str(tmp_path / "ca.pem"), "--for", "15", "--fault", fault]
    venue = subprocess.Popen([fixtape_command, "venue", *options], stdout=subprocess.PIPE, text=True)
    try:
        assert venue.stdout is not None
        port = venue.stdout.readline().split(";")[0].rpartition(":")[2]
        done = subprocess.run(
            [fixtape_command, "record", "--host", "127.0.0.1", "--port", port, "--ca", str(tmp_path / "ca.pem"),
             "--sender", "C", "--symbol", "all", "--root", str(tmp_path / "tape"), "--for", "10"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    finally:
        venue.kill()
        venue.communicate()

    assert done.returncode == code, done.stderr
    assert "nothing was sent" in done.stderr
