"""Resubscriptions and rejects: what had to be asked again, and what was refused.

Layer: queries, one check. The question is `sql/quality_requests.sql`.
Says: how often each symbol was subscribed again within its sessions; every refusal: of a subscription (35=Y), of a
message of ours or of the venue's (35=3, 35=j), of a Logon; rules of the session that were broken.
Computed: from the events of these kinds.
Thresholds: up to RESUBSCRIPTIONS_LIMIT of a symbol are info, more is a warning, and so is a refusal or a broken
rule.
Source: design section 5, table `events`.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted

name: Final = "requests"
title: Final = "Resubscriptions and rejects"
RESUBSCRIPTIONS_LIMIT: Final = 10
_WORDS: Final = {
    "resubscribed": "subscribed again",
    "subscription_rejected": "subscription refused",
    "reject": "the venue refused a message of ours",
    "rejected": "a message of the venue's was refused",
    "logon_refused": "Logon refused",
    "violation": "a rule of the session was broken",
}


def run(day: Day) -> Outcome:
    """Return them by symbol and kind."""
    found = []
    again = refused = 0
    for kind, symbol, session_id, seq, from_ns, to_ns, count, text in day.ask("quality_requests", "events"):
        is_again = kind == "resubscribed"
        again, refused = again + count * is_again, refused + count * (not is_again)
        severity = Severity.INFO if is_again and count <= RESUBSCRIPTIONS_LIMIT else Severity.WARNING
        words = _WORDS[kind] + (f" {count} times" if count > 1 else "") + (f": {text}" if text else "")
        found.append(Finding(name, severity, symbol, from_ns, to_ns, count, words, session_id, seq))
    summary = f"{counted(again, 'resubscription')}, {counted(refused, 'refusal')}"
    return Outcome(summary, found, {"resubscriptions": again, "refusals": refused})
