"""A synthetic market, served over TLS, recorded, proven and rebuilt."""

import pytest
from venues import SOFTWARE, record_until, settings_for, venue_thread

from capture.venue.market import SyntheticMarket
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue


@pytest.mark.parametrize(("depth", "switches"), [(10, {}), (100, {"field_order": 3}), (25, {"checksum": "entry"})])
def test_a_synthetic_market_is_recorded_whole(depth, switches, tmp_path):
    """Twenty markets at once: every checksum agrees, nothing is suspect, and the lake is rebuilt byte for byte."""
    market = SyntheticMarket(20, rate=2000, seed=5)
    root = tmp_path / "tape"
    with venue_thread(market, speed=1.0, **switches) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root, depth=depth)

        summary, _ = record_until(settings, lambda recorder: recorder.counters.market_data >= 4000)

    counters = summary.counters
    assert summary.books_proven == 20
    assert counters.verified > 3000
    assert (counters.mismatches, counters.gaps, counters.unverified) == (0, 0, 0)
    assert counters.trades > 0
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert _names(tmp_path / "again") == _names(root / "lake")


def _names(lake):
    return {path.relative_to(lake).as_posix() for path in lake.rglob("*.parquet")}
