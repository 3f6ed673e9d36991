"""A6: single bits of a lake are flipped: verification finds each, and what is lost is made again from the journal.

Nothing here runs beside a recorder: one ended in order, and its lake's files are altered one at a time.
"""

import checker
import pytest
from campaign import chance, report, scaled
from recovery import SOFTWARE, recover

from storage.commits import TableLog
from storage.quarantine import Quarantine
from storage.rebuild import rebuild
from storage.restore import restore
from storage.schemas import TABLES
from storage.tape_layout import locked
from storage.verify import Checked, Scope, verify_lake

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

FLIPS = scaled(200, 5000)
MENDED_EVERY = scaled(20, 50)
KINDS = {
    "Parquet files": "*/date=*/*.parquet",
    "log entries": "*/_delta_log/*.json",
    "checkpoints": "*/_delta_log/*checkpoint*",
}


@pytest.fixture(scope="module")
def tape(quiet_rig, tmp_path_factory):
    """A tape that ended in order, in some batches."""
    root = tmp_path_factory.mktemp("bytes") / "tape"
    run = quiet_rig.start(root, seconds=3)
    assert run.wait(30) == 0, run.text()
    return root


def make_checkpoint(lake):
    """Make one of one table's log, as every hundredth commit does; mending sets a damaged one aside."""
    log = TableLog.open(lake / "trades", "trades")
    log.checkpoint(log.listing().version)


def findings(lake, table):
    """What verification says of one table; the other tables are looked at once, at the end."""
    return list(verify_lake(lake, Scope(), Checked(), lambda _: None, tables=(table,)))


def mend(root):
    """What a person does about a finding: recover, then rebuild in place."""
    recover(root, every_entry=True)
    with locked(root, doing="rebuild"):
        rebuild(root / "journal", root / "lake", software=SOFTWARE)
        told = restore(root, Quarantine(root, software=SOFTWARE, at="20261126T000000Z"))
    assert not told.failed, told.failed


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_and_mended(kind, tape):
    """Each is a finding of the table it is in; the files are then the same again, by name and so by content."""
    lake = tape / "lake"
    draw, wanted = chance(f"flips lake {kind}"), checker.file_names(lake)
    missed = mended = 0
    for count in range(FLIPS):
        if not list(lake.glob(KINDS["checkpoints"])):
            make_checkpoint(lake)
        path = draw.choice(sorted(lake.glob(KINDS[kind])))
        data = bytearray(path.read_bytes())
        at, bit = draw.randrange(len(data)), draw.randrange(8)
        data[at] ^= 1 << bit
        path.write_bytes(data)
        missed += not findings(lake, path.relative_to(lake).parts[0])
        if count % MENDED_EVERY == 0:
            mend(tape)
            mended += checker.file_names(lake) == wanted
        else:
            data[at] ^= 1 << bit
            path.write_bytes(data)

    tried = -(-FLIPS // MENDED_EVERY)
    report(f"bit flips in {kind} {FLIPS}: undetected {missed}, mended to equal files {mended} of {tried}")
    assert missed == 0
    assert mended == tried
    assert not [it for table in TABLES for it in findings(lake, table)]
    assert checker.check_lake(lake)
