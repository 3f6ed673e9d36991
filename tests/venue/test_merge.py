"""Two recorders of one venue at once, and what their lakes come to together."""

import asyncio

import pytest
from venues import SOFTWARE, settings_for, venue_thread

import fixtape
from capture.client import run
from storage.lake import Lake
from storage.recorder import Recorder
from storage.tape_layout import LAKE
from storage.union.report import report_of
from storage.union.unite import merge
from storage.verify import Checked, Scope, verify_lake
from storage.verify_rows import verify_books, verify_numbers

pytestmark = pytest.mark.venue

MESSAGES = 1129  # Of the recording served.
TOLD = (
    "SELECT msg_type, entry_index, side, action, price_scaled, size_scaled, remaining_size, entry_ms,"
    " book_changes.proof FROM book_changes JOIN messages USING (session_id, msg_seq_num)"
    " ORDER BY msg_seq_num, entry_index < 0, entry_index"
)


def test_two_recorders_come_to_the_tape_of_one(tmp_path):
    """Rows of a merged lake are those of each recorder, proof and local cuts included, though told anew."""
    roots = [tmp_path / "a", tmp_path / "b"]
    with venue_thread() as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        options = [settings_for(server, ca_file, root, depth=25) for root in roots]
        with Recorder(options[0], SOFTWARE) as one, Recorder(options[1], SOFTWARE) as other:

            def stop_when_done(recorder):
                return lambda: recorder.counters.market_data >= MESSAGES and recorder.stop()

            async def both():
                await asyncio.gather(*(it.run(seconds=30, watch=stop_when_done(it)) for it in (one, other)))

            run(both())

    merge(*roots, tmp_path / "c", now_ns=2**62, software=SOFTWARE)

    told = []
    for root in (*roots, tmp_path / "c"):
        with fixtape.open(root) as tape:
            told.append(tape.sql(TOLD).fetchall())
    assert told[0] == told[1] == told[2]
    lake = tmp_path / "c" / LAKE
    (report,) = report_of(lake)
    assert (report.both, report.only_a, report.only_b) == (MESSAGES - 1, 1, 1)
    assert Lake.open(lake).is_united
    assert list(verify_lake(lake, Scope(), Checked(), lambda _size: None)) == []
    assert list(verify_numbers(lake, Scope(), Checked())) == []
    assert list(verify_books(lake, Scope(), Checked())) == []
