"""Switches: each by name and value, and what is said to a wrong one; the order of fields that one of them moves."""

from pathlib import Path

import pytest
from peer import Peer

from capture.errors import SettingInvalid
from capture.venue import recording
from capture.venue.settings import SessionSwitches, TradingVenueSettings, VenueSettings
from capture.venue.source import Shape
from capture.venue.switches import allowed, describe_switches, parse_switches, shown, switches_of

PROFILES = {"market": VenueSettings, "trading": TradingVenueSettings}


def test_switches_by_name_and_value():
    """A choice, a flag and a number."""
    parsed = parse_switches(["evicted=silent", "same_symbol=off", "fragment=7"], VenueSettings)

    assert parsed == {"evicted": "silent", "same_symbol": False, "fragment": 7}
    assert VenueSettings(**parsed).shape(10, None) == Shape(10, evicted="silent")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evictd=silent", "--switch is 'evictd', which is none; use evicted"),
        ("evicted", "--switch evicted is without a value; use evicted=announced|silent"),
        ("evicted=loud", "--switch evicted is 'loud'; use announced|silent"),
        ("same_symbol=1", "--switch same_symbol is '1'; use on|off"),
        ("fragment=many", "--switch fragment is 'many'; use NUMBER"),
    ],
)
def test_wrong_switches(text, said):
    """The message names what can be said instead."""
    with pytest.raises(SettingInvalid, match=said.replace("|", r"\|")):
        parse_switches([text], VenueSettings)


@pytest.mark.parametrize(("asked", "silent"), [(0, 200), (120, 119)])
def test_a_session_that_would_end_unasked(asked, silent):
    """Silence ends a session after the TestRequest, never before."""
    with pytest.raises(SettingInvalid, match=f"--switch silence_percent is {silent}"):
        VenueSettings(test_request_percent=asked, silence_percent=silent)


@pytest.mark.parametrize("settings", PROFILES.values())
def test_every_switch_says_what_it_is(settings):
    """One line each, with the row of the reference that it settles."""
    lines, known = describe_switches(settings), switches_of(settings)

    assert len(lines) == len(known)
    assert all(name in line and "row" in line for name, line in zip(known, lines, strict=True))


def test_every_switch_is_documented():
    """`docs/venue.md` lists each switch with profile, values, default, row and text, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "venue.md").read_text(encoding="utf-8")
    table = page.partition("<!-- switches: begin -->")[2].partition("<!-- switches: end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    listed = [tuple(row) for row in rows if row[0].startswith("`")]

    assert sorted(listed) == sorted(_rows())


def _rows():
    """The rows of the table: what both profiles have in common, then each one's own."""
    common = switches_of(SessionSwitches)
    told = [("both", it) for it in common.values()]
    for profile, settings in PROFILES.items():
        told += [(profile, it) for name, it in switches_of(settings).items() if name not in common]
    for profile, it in told:
        values = allowed(it).replace("|", ", ")
        yield f"`{it.name}`", profile, values, shown(it.default), it.metadata["row"], it.metadata["text"]


def test_defaults_change_nothing():
    """Without a switch recorded bytes go out as they are."""
    assert VenueSettings().shape(10, None).is_plain


@pytest.mark.parametrize("checksum", ["message", "entry"])
def test_shuffled_fields_are_the_same_message(checksum):
    """Every field that may move moves, the frame stays whole, and what it says is the same."""
    source = recording.load([recording.SHIPPED / "ethusd-d25.fix.gz"])
    request = "35=V 146=1 55=ETH/USD 262=M1 263=1 264=25 265=1 267=3 269=0 269=1 269=2"
    plain, moved = Peer(source, checksum=checksum), Peer(source, checksum=checksum, field_order=7)
    for peer in (plain, moved):
        peer.say(request)

    pairs = list(zip(plain.play(300), moved.play(300), strict=True))

    assert len(pairs) == 300
    for before, after in pairs:
        assert sorted(it for it in before.fields if it[0] != 10) == sorted(it for it in after.fields if it[0] != 10)
        assert [tag for tag, _ in after.fields[:3]] == [8, 9, 35]
        delimiter = 279 if before.msg_type == b"X" else 269
        outside = {55, 262, 268, 5041, 8, 9, 10, 34, 35, 49, 52, 56}
        assert list(before.group(delimiter, outside)) == list(after.group(delimiter, outside))
    assert len({tuple(tag for tag, _ in after.fields[3:7]) for _, after in pairs}) > 10


def test_a_shuffle_is_reproducible():
    """The same seed moves the same fields, another one others."""
    source = recording.load([recording.SHIPPED / "ethusd-d25.fix.gz"])
    played = []
    for seed in (3, 3, 4):
        peer = Peer(source, field_order=seed)
        peer.say("35=V 146=1 55=ETH/USD 262=M1 263=1 264=25 267=2 269=0 269=1")
        played.append([it.frame for it in peer.play(50)])

    assert played[0] == played[1]
    assert played[0] != played[2]
