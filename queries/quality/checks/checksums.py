"""Checksum pass rate: how many messages leave the book that the venue has.

Layer: queries, one check. The question is `sql/quality_checksums.sql`.
Says: for each symbol, how many of the messages whose ChecksumOrderBook(5041) was compared agree; each disagreement that
ended a book, from the last good message to it; messages that could not be read.
Computed: from `verdict` in `messages`, and the events `mismatch` and `malformed`. A snapshot bears no checksum and does
not count.
Thresholds: below PASS_RATE_LEAST of a symbol's compared messages is an error; each mismatch and each message that could
not be read is a warning; more than UNVERIFIED_SHARE of its refreshes without a checksum to compare is a warning too.
Source: venue guide "Book checksum (FIX)"; design section 6.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity

name: Final = "checksums"
title: Final = "Checksum pass rate"
PASS_RATE_LEAST: Final = 0.999
UNVERIFIED_SHARE: Final = 0.01


def run(day: Day) -> Outcome:
    """Return mismatches, and symbols with too few messages that agree."""
    found = [
        Finding(name, Severity.WARNING, symbol, from_ns, to_ns, 1, text, session_id=session_id, msg_seq_num=seq)
        for symbol, session_id, seq, from_ns, to_ns, text in day.ask("quality_mismatches", "events")
    ]
    passed = failed = 0
    for row in day.ask("quality_checksums", "messages"):
        symbol, first_bad_ns, last_bad_ns, first_open_ns, last_open_ns, verified, mismatches, unverified = row
        passed, failed = passed + verified, failed + mismatches
        compared = verified + mismatches
        if compared and verified / compared < PASS_RATE_LEAST:
            text = f"{verified:,} of {compared:,} checksums agree, less than {PASS_RATE_LEAST:.1%}"
            found.append(Finding(name, Severity.ERROR, symbol, first_bad_ns, last_bad_ns, mismatches, text))
        if unverified > UNVERIFIED_SHARE * (compared + unverified):
            text = f"{unverified:,} of {compared + unverified:,} refreshes without a checksum to compare"
            found.append(Finding(name, Severity.WARNING, symbol, first_open_ns, last_open_ns, unverified, text))
    rate = passed / (passed + failed) if passed + failed else None
    summary = f"{passed:,} of {passed + failed:,} checksums agree"
    return Outcome(summary, found, {"agree": passed, "mismatches": failed, "pass_rate": rate})
