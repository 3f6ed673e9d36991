"""Patterns against lists: what is chosen, how deep, and what is refused in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import SettingInvalid, SymbolUnknown
from capture.market.requests import DEPTHS
from capture.market.selection import PATTERN_LENGTH_LIMIT, PATTERNS_LIMIT, Selection

LIST = ("BTC/EUR", "BTC/JPY", "BTC/USD", "DOGE/USD", "ETH/EUR", "ETH/USD", "XBT/USDT")


def chosen(*patterns: str, depth: int = 1000, listed: tuple[str, ...] = LIST) -> dict[str, int]:
    """What patterns choose of a list, with its depth."""
    selection = Selection(patterns, depth)
    depths = {symbol: selection.depth_of(symbol) for symbol in listed}
    return {symbol: depth for symbol, depth in depths.items() if depth is not None}


@pytest.mark.parametrize(
    ("patterns", "symbols"),
    [
        (["BTC/USD"], ["BTC/USD"]),
        (["*/USD"], ["BTC/USD", "DOGE/USD", "ETH/USD"]),
        (["BTC/*"], ["BTC/EUR", "BTC/JPY", "BTC/USD"]),
        (["?TH/*"], ["ETH/EUR", "ETH/USD"]),
        (["[BX]*/USD*"], ["BTC/USD", "XBT/USDT"]),
        (["all"], list(LIST)),
        (["*"], list(LIST)),
        (["ETH/USD", "BTC/USD"], ["BTC/USD", "ETH/USD"]),
        (["all", "!*/JPY", "!DOGE/USD"], ["BTC/EUR", "BTC/USD", "ETH/EUR", "ETH/USD", "XBT/USDT"]),
        (["!*/USD", "all"], ["BTC/EUR", "BTC/JPY", "ETH/EUR", "XBT/USDT"]),
        (["*/usd"], []),
        (["btc/usd"], []),
    ],
)
def test_names_globs_quotes_and_exclusions(patterns: list[str], symbols: list[str]) -> None:
    """A pattern matches the whole symbol, in the venue's own capitals; an exclusion wins wherever it stands."""
    assert list(chosen(*patterns)) == symbols


@pytest.mark.parametrize(
    ("patterns", "depths"),
    [
        (["BTC/USD", "ETH/USD:10"], {"BTC/USD": 1000, "ETH/USD": 10}),
        (["*/USD:100", "BTC/USD:500"], {"BTC/USD": 500, "DOGE/USD": 100, "ETH/USD": 100}),
        (["BTC/USD:500", "*/USD:100"], {"BTC/USD": 100, "DOGE/USD": 100, "ETH/USD": 100}),
        (["BTC/USD:10", "*/USD"], {"BTC/USD": 10, "DOGE/USD": 1000, "ETH/USD": 1000}),
        (["ETH/USD:25", "ETH/USD"], {"ETH/USD": 25}),
        (["ETH/USD:0"], {"ETH/USD": 1000}),
        (["all:25", "!BTC/*", "!DOGE/*", "!XBT/*"], {"ETH/EUR": 25, "ETH/USD": 25}),
    ],
)
def test_last_depth_given_for_a_symbol_counts(patterns: list[str], depths: dict[str, int]) -> None:
    """A pattern without a depth says nothing about it; 0 is the full book; what no pattern says is the default."""
    assert chosen(*patterns) == depths


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ([""], "symbols: '' is no symbol; use a name such as BTC/USD"),
        (["!"], "symbols: '!' is no symbol"),
        ([":10"], "symbols: ':10' is no symbol"),
        (["BTC\nUSD"], r"symbols: 'BTC\\nUSD' is not printable"),
        (["x" * (PATTERN_LENGTH_LIMIT + 1)], f"is {PATTERN_LENGTH_LIMIT + 1} characters long; use at most"),
        (["*/USD:20"], r"symbols: the depth of '\*/USD:20' is 20; use one of 10, 25, 100, 500 or 1000"),
        (["BTC/USD:1"], "depth of 'BTC/USD:1' is 1; use one of"),
        (["all", "!*/JPY:10"], r"symbols: '!\*/JPY:10' is an exclusion with a depth; use '!\*/JPY'"),
        (["!*/JPY"], "symbols is exclusions alone; use `all` before them"),
        (["BTC/JPY", "!*/JPY"], "symbols: 'BTC/JPY' is both named and left out; use one of the two"),
        (["X"] * (PATTERNS_LIMIT + 1), f"symbols is {PATTERNS_LIMIT + 1} patterns; use at most {PATTERNS_LIMIT}"),
    ],
)
def test_pattern_that_cannot_be_meant_is_refused(patterns: list[str], words: str) -> None:
    """The error says which pattern, what is wrong with it, and what to write instead."""
    with pytest.raises(SettingInvalid, match=words):
        Selection(patterns, 1000, where="symbols")


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (["BTC/USDD"], "^BTC/USDD: not among the 7 instruments that the venue lists; did you mean BTC/USD"),
        (["btc/usd:10"], "^btc/usd:10: not among .*; did you mean BTC/USD"),
        (["QQQQQ"], "^QQQQQ: not among .*; use `all` or one that it lists"),
        (["*/usd"], r"^\*/usd: matches none of the 7 .*; did you mean \*/USD\?"),
        (["*/EURO"], r"^\*/EURO: matches none of the 7 .*; did you mean \*/EUR\?"),
        (["Q*:10"], r"^Q\*:10: matches none of .*; use `all` or one that it lists"),
        (["all", "*/JPY", "!BTC/*"], r"^\*/JPY: all that it matches is left out, hidden or delisted; drop it"),
        (["DOGE/*"], r"^DOGE/\*: all that it matches is left out, hidden or delisted"),
    ],
)
def test_pattern_that_chooses_nothing_is_told(patterns: list[str], words: str) -> None:
    """A typo has its near names; a glob in small letters or with a near quote is told as it may have been meant."""
    with pytest.raises(SymbolUnknown, match=words):
        Selection(patterns, 1000).check(LIST, closed={"DOGE/USD"})


def test_what_need_not_choose_anything() -> None:
    """An exclusion may be for later; a symbol that was named and is delisted has its own finding."""
    Selection(["all", "!*/CHF", "DOGE/USD"], 1000).check(LIST, closed={"DOGE/USD"})


@given(st.text(alphabet="ABC/*?[]!-:019", max_size=12), st.text(alphabet="ABC/[]-", min_size=1, max_size=8))
def test_any_text_is_a_pattern_or_one_clear_error(text: str, symbol: str) -> None:
    """Whatever is typed, holding it against a symbol ends in a depth of the venue, in none, or in SettingInvalid."""
    try:
        depth = Selection(["all", text], 1000).depth_of(symbol)
    except SettingInvalid:
        return
    assert depth in DEPTHS or (depth is None and text.startswith("!"))


@given(st.text(alphabet="ABC/-.:", min_size=1, max_size=8), st.text(alphabet="ABC/-.:", min_size=1, max_size=8))
def test_name_without_wildcards_is_itself_alone(name: str, symbol: str) -> None:
    """Points, colons and dashes are no wildcards."""
    assert (Selection([name], 1000).depth_of(symbol) is not None) == (name == symbol)
