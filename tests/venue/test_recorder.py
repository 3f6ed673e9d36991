"""A recorder against a venue that ends, serves many, or is wrong."""

import gzip
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from venues import SOFTWARE, record_until, recordings, settings_for, venue_thread

import fixtape
from capture.client import Client
from capture.venue import recording
from storage.journal.reader import RecordKind, read_journal
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


def events(root, *kinds):
    """The events of these kinds, in order, as (kind, symbol, text)."""
    with fixtape.open(root) as tape:
        rows = tape.sql("SELECT kind, symbol, text FROM events ORDER BY receive_ns").fetchall()
    return [row for row in rows if row[0] in kinds]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number, tmp_path):
    """SIGTERM or Ctrl-C: Logout said and answered, last batch committed, exit 0."""
    root = tmp_path / "tape"
    with venue_thread() as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        command = [FIXTAPE, "record", "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]
        process = subprocess.Popen(
            [*command, "--sender", "CLIENT", "--symbol", "all", "--root", str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 20
        while server.total_sent < 1129 and time.monotonic() < deadline:
            time.sleep(0.05)

        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert process.returncode == 0, err
    assert "1,128 of 1,128 verified" in out
    assert "stopped in order" in err
    assert [text for _, _, text in events(root, "disconnect")] == ["logged out"]
    assert [record.kind for record in read_journal(root / "journal")][-1] is RecordKind.CLOSED


def test_the_end_of_a_run_is_proven(tmp_path):
    """A TestRequest's numbered answer comes before the Logout, so nothing up to it is missing; a rebuild agrees."""
    root = tmp_path / "tape"
    with venue_thread() as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root)
        record_until(settings, lambda recorder: recorder.counters.market_data >= 1129)

    told = events(root, "test_request", "heartbeat", "proof", "logout", "disconnect")
    assert sorted((kind, text) for kind, _, text in told) == [
        ("disconnect", "logged out"),
        ("heartbeat", "PROOF-STOP-1"),
        ("logout", None),
        ("proof", "PROOF-STOP-1"),
        ("test_request", "PROOF-STOP-1"),
    ]
    with fixtape.open(root) as tape:
        ((last, proven),) = tape.sql(
            "SELECT (SELECT max(msg_seq_num) FROM messages), (SELECT msg_seq_num FROM events WHERE kind = 'proof')"
        ).fetchall()
    assert proven == last + 1
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert names(tmp_path / "again") == names(root / "lake")


def test_a_stop_as_the_connection_comes_up_ends_it_in_order(tmp_path, monkeypatch):
    """Stopped before whoever connects knows that it is connected, the end is written down as any other."""
    made = Client.connection_made

    def stopped(self, link):
        made(self, link)
        self.stop()

    monkeypatch.setattr(Client, "connection_made", stopped)
    with venue_thread() as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), tmp_path / "tape")
        record_until(settings, lambda _recorder: False)

    assert [kind for kind, _, _ in events(tmp_path / "tape", "connect", "disconnect")] == ["connect", "disconnect"]
    assert [record.kind for record in read_journal(tmp_path / "tape" / "journal")][-1] is RecordKind.CLOSED


def test_two_recorders_get_the_same(tmp_path):
    """The venue serves several clients at once, each with all that it asked for."""
    with venue_thread(recordings("btcusd-d10-resubscribe")) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        common = [FIXTAPE, "record", "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]
        commands = [
            [*common, "--sender", name, "--symbol", "BTC/USD", "--root", str(tmp_path / name), "--for", "3"]
            for name in ("ONE", "TWO")
        ]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
        outputs = [process.communicate(timeout=30)[0] for process in processes]

    assert all("296 of 296 verified" in out for out in outputs)


def test_a_mismatch_stops_its_symbol_alone(tmp_path):
    """One wrong 5041: that book is marked, subscribed again under a new MDReqID and recorded; the other goes on."""
    wrong = tmp_path / "wrong.fix.gz"
    wrong.write_bytes(gzip.compress(_with_wrong_checksum("ethusd-d25", place=100)))
    market = recording.load([wrong, recording.SHIPPED / "btcusd-d10-resubscribe.fix.gz"])
    root = tmp_path / "tape"
    with venue_thread(market) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root)

        summary, _ = record_until(settings, lambda recorder: recorder.counters.mismatches >= 2, seconds=15)

    found = events(root, "mismatch", "subscribe", "unsubscribe", "healed")
    assert {symbol for kind, symbol, _ in found if kind != "subscribe"} == {"ETH/USD"}
    assert [kind for kind, symbol, _ in found if symbol == "ETH/USD"][:5] == [
        "subscribe", "mismatch", "unsubscribe", "subscribe", "healed",
    ]  # fmt: skip
    assert len({text for kind, symbol, text in found if kind == "subscribe" and symbol == "ETH/USD"}) >= 2
    assert summary.counters.verified >= 296 + 98
    with fixtape.open(root) as tape:
        suspect = tape.sql("SELECT count(*) FROM book_changes WHERE symbol = 'BTC/USD' AND flags & 4 > 0").fetchall()
        marked = tape.sql("SELECT count(*) FROM book_changes WHERE symbol = 'ETH/USD' AND flags & 4 > 0").fetchall()
    assert suspect == [(0,)]
    assert marked[0][0] > 0
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert names(tmp_path / "again") == names(root / "lake")


def test_it_comes_back_after_the_venue_drops_it(tmp_path):
    """A connection lost in mid-stream is an event, and a new session with new snapshots follows by itself."""
    root = tmp_path / "tape"
    dropped = []

    def done(recorder):
        if recorder.counters.market_data >= 100 and not dropped:
            dropped.append(True)
            for connection in list(server.connections):
                connection._loop.call_soon_threadsafe(connection.abort)
        return recorder.client.connections == 2 and recorder.feed.books_proven == 1

    with venue_thread(recordings("ethusd-d25"), speed=10.0) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root)
        summary, _ = record_until(settings, done)

    assert summary.connections == 2
    kinds = [kind for kind, _, _ in events(root, "connect", "logon", "disconnect", "healed")]
    assert kinds == ["connect", "logon", "disconnect", "connect", "logon", "healed", "disconnect"]
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert names(tmp_path / "again") == names(root / "lake")


def test_batches_end_where_receive_time_crosses_a_boundary(tmp_path):
    """With a batch a second, live and rebuilt lakes have the same files, and no row lies outside its batch."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=10.0) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root, batch_s=1)
        record_until(settings, lambda recorder: recorder.counters.market_data >= 1129)

    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)

    assert len(names(root / "lake")) > 6
    assert names(tmp_path / "again") == names(root / "lake")
    with fixtape.open(root) as tape:
        twice = tape.sql(
            "SELECT count(*) FROM (SELECT session_id, msg_seq_num, entry_index FROM book_changes"
            " GROUP BY ALL HAVING count(*) > 1)"
        ).fetchall()
    assert twice == [(0,)]


def names(lake):
    """The names of a lake's files; they end in their content's digest."""
    return {path.relative_to(lake).as_posix() for path in lake.rglob("*.parquet")}


def _with_wrong_checksum(name, *, place):
    """A recording in which the 5041 of one message is off by one; CheckSum(10) is right."""
    data = gzip.decompress((recording.SHIPPED / f"{name}.fix.gz").read_bytes())
    frames = re.findall(rb"8=FIX.*?\x0110=\d{3}\x01", data, re.DOTALL)
    body = frames[place][: -len(b"10=000\x01")]
    last = body[-2:-1]
    body = body[:-2] + bytes([last[0] - 1 if last != b"0" else last[0] + 1]) + b"\x01"
    frames[place] = body + b"10=%03d\x01" % (sum(body) & 0xFF)
    return b"".join(frames)


def test_a_failing_watcher_ends_the_run(tmp_path):
    """What watches a recorder runs beside it; where that fails the run ends with its error instead of going blind."""
    root = tmp_path / "tape"

    def watch(recorder):
        raise ZeroDivisionError

    with venue_thread() as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root)
        with pytest.raises(ZeroDivisionError):
            record_until(settings, watch)

    assert events(root, "disconnect") != []


def test_what_a_kill_took_from_the_lake_is_completed_after_the_next_run(tmp_path):
    """SIGKILL, another run, then a rebuild in place: every batch of both runs is there, once, as from an empty lake."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=4.0) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        command = [FIXTAPE, "record", "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]
        command += ["--sender", "CLIENT", "--symbol", "all", "--root", str(root), "--batch-s", "1"]
        for last_words in (signal.SIGKILL, signal.SIGTERM):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            before = server.total_sent
            deadline = time.monotonic() + 20
            while server.total_sent - before < 300 and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(last_words)
            process.wait(20)

    held = names(root / "lake")
    report = rebuild(root / "journal", root / "lake", software=SOFTWARE)
    again = rebuild(root / "journal", root / "lake", software=SOFTWARE)
    rebuild(root / "journal", tmp_path / "anew", software=SOFTWARE)

    assert report.runs == 2
    assert held <= names(root / "lake")  # The second run made up for the first as far as it came.
    assert names(root / "lake") == names(tmp_path / "anew")
    assert again.rows == 0


def test_a_rebuild_leaves_a_lake_alone_that_is_being_written(tmp_path):
    """In place, a rebuild beside a recorder is refused with 75; the recorder goes on."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=8.0) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        command = [FIXTAPE, "record", "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]
        recorder = subprocess.Popen(
            [*command, "--sender", "CLIENT", "--symbol", "all", "--root", str(root), "--for", "4"],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while server.total_sent < 100:
            time.sleep(0.02)

        refused = subprocess.run([FIXTAPE, "rebuild", str(root)], capture_output=True, text=True, check=False)

        recorder.wait(30)
    assert refused.returncode == 75
    assert "another recorder writes there" in refused.stderr
    assert recorder.returncode == 0


def test_a_rebuild_of_nothing_says_so(tmp_path):
    """A directory without a journal is misuse, told in one line."""
    done = subprocess.run([FIXTAPE, "rebuild", str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "no journal here" in done.stderr
