"""What commands share: dates as they are typed."""

import click
import pytest

from capture.cli_support import UtcDate


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "20261126", "2026-W48-4", "yesterday", "", "2026-11"])
def test_what_is_no_date_is_refused(text):
    """A date that no calendar has, or in another form, is a misuse: it would select nothing, in silence."""
    with pytest.raises(click.BadParameter, match="use YYYY-MM-DD"):
        UtcDate().convert(text, None, None)


def test_a_month_is_taken_where_it_is_asked_for():
    """Where months are taken, both forms come back as typed, and a thirteenth month does not."""
    months = UtcDate(months=True)

    assert months.convert("2026-11", None, None) == "2026-11"
    assert months.convert("2026-11-26", None, None) == "2026-11-26"
    with pytest.raises(click.BadParameter, match="YYYY-MM for a month"):
        months.convert("2026-13", None, None)
