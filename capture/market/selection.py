"""Which instruments to record, and how deep: patterns and an instrument list in, symbols with their depth out.

Layer: market. Pure. Source: `docs/subscriptions.md`, which says the same to people.
Left to others: asking for what is chosen (`subscriber`), the list itself (`market.instruments`).

A pattern is `[!]NAME[:DEPTH]`. NAME is a symbol as the venue lists it, a glob (`*/USD`), or `all`; `!` leaves out what
it matches. Leaving out wins wherever it stands; of the depths given for one symbol the last one counts.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from typing import Final

from capture.errors import SettingInvalid, SymbolUnknown
from capture.market.requests import LEVEL_2, depth_ok

ALL_SYMBOLS: Final = "all"
PATTERNS_LIMIT: Final = 5_000  # More symbols than the venue has; each new one is held against every glob.
PATTERN_LENGTH_LIMIT: Final = 128
_SHAPE: Final = re.compile(r"(!?)(.*?)(?::(\d{1,9}))?")
_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern. text: as it was given. depth: None where it gives none."""

    text: str
    name: str
    leaves_out: bool
    depth: int | None
    matches: Callable[[str], object]

    @property
    def is_glob(self) -> bool:
        """Whether it can match more than one symbol."""
        return _GLOB.search(self.name) is not None


class Selection:
    """Patterns, and the depth of whatever gives none. level: of the subscriptions, as depths mean other things in it.

    Errors: SettingInvalid where a pattern cannot be meant; where: what the error says of its place.
    """

    def __init__(
        self, texts: Iterable[str], depth: int, *, level: int = LEVEL_2, where: str = "market.symbols"
    ) -> None:
        self.depth = depth
        self.patterns = tuple(_pattern(text, level, where) for text in texts)
        self._globs: list[tuple[int, Pattern]] = []
        self._by_name: dict[str, list[tuple[int, Pattern]]] = {}
        for place in enumerate(self.patterns):
            it = place[1]
            (self._globs if it.is_glob else self._by_name.setdefault(it.name, [])).append(place)
        self._check(where)

    def depth_of(self, symbol: str) -> int | None:
        """Return the depth to record a symbol at, or None where it is not chosen."""
        found = [*self._by_name.get(symbol, ()), *(it for it in self._globs if it[1].matches(symbol))]
        if not found or any(pattern.leaves_out for _, pattern in found):
            return None
        given = [(place, pattern.depth) for place, pattern in found if pattern.depth is not None]
        return max(given)[1] if given else self.depth

    def names(self, symbol: str) -> bool:
        """Return whether a symbol is chosen by its own name."""
        return symbol in self._by_name

    def check(self, listed: Collection[str], *, closed: Collection[str] = ()) -> None:
        """Hold the patterns against a list; closed: symbols of it that are hidden or delisted.

        Errors: SymbolUnknown with the first pattern that chooses nothing, and what may have been meant.
        """
        known = frozenset(listed)
        chosen = [symbol for symbol in listed if symbol not in closed and self.depth_of(symbol) is not None]
        for pattern in self.patterns:
            if pattern.leaves_out:
                continue  # It may be meant for what is listed one day.
            if not pattern.is_glob and pattern.name not in known:
                raise SymbolUnknown(f"{pattern.text}: not among {_counted(listed)}; {_hint(pattern, listed)}")
            if pattern.is_glob and not any(map(pattern.matches, chosen)):
                if any(map(pattern.matches, listed)):
                    raise SymbolUnknown(f"{pattern.text}: all that it matches is left out, hidden or delisted; drop it")
                raise SymbolUnknown(f"{pattern.text}: matches none of {_counted(listed)}; {_hint(pattern, listed)}")

    def _check(self, where: str) -> None:
        if len(self.patterns) > PATTERNS_LIMIT:
            raise SettingInvalid(
                where=where, received=f"{len(self.patterns)} patterns", allowed=f"at most {PATTERNS_LIMIT}, or globs"
            )
        if self.patterns and all(it.leaves_out for it in self.patterns):
            raise SettingInvalid(where=where, received="exclusions alone", allowed=f"`{ALL_SYMBOLS}` before them")
        for pattern in self.patterns:
            if not pattern.leaves_out and not pattern.is_glob and self.depth_of(pattern.name) is None:
                raise SettingInvalid(
                    where=f"{where}: {pattern.text!r}", received="both named and left out", allowed="one of the two"
                )


def _pattern(text: str, level: int, where: str) -> Pattern:
    """Return one pattern. Errors: SettingInvalid."""

    def refuse(received: str, allowed: str) -> SettingInvalid:
        return SettingInvalid(where=f"{where}: {text[:PATTERN_LENGTH_LIMIT]!r}", received=received, allowed=allowed)

    if len(text) > PATTERN_LENGTH_LIMIT:
        raise refuse(f"{len(text)} characters long", f"at most {PATTERN_LENGTH_LIMIT}")
    if not text.isprintable():
        raise refuse("not printable", "a symbol as the venue lists it")
    shape = _SHAPE.fullmatch(text)
    assert shape is not None, "every printable text has this shape"
    mark, name, depth = shape.groups()
    if not name:
        raise refuse("no symbol", f"a name such as BTC/USD, a glob such as */USD, or `{ALL_SYMBOLS}`")
    if mark and depth is not None:
        raise refuse("an exclusion with a depth", f"{mark + name!r}")
    if depth is not None:
        depth = depth_ok(int(depth), where=f"{where}: the depth of {text!r}", level=level)
    name = "*" if name == ALL_SYMBOLS else name
    return Pattern(text, name, bool(mark), depth, re.compile(translate(name)).match)


def _counted(listed: Collection[str]) -> str:
    return f"the {len(listed)} instruments that the venue lists"


def _hint(pattern: Pattern, listed: Collection[str]) -> str:
    """Return what may have been meant: near names, or the same glob in capitals or with a near quote."""
    if not pattern.is_glob:
        near = get_close_matches(pattern.name.upper(), listed, n=3, cutoff=0.5)
    else:
        base, _, quote = pattern.name.upper().rpartition("/")
        quotes = sorted({symbol.rpartition("/")[2] for symbol in listed})
        meant = [pattern.name.upper(), *(f"{base}/{it}" for it in get_close_matches(quote, quotes, n=2))]
        near = [glob for glob in meant if any(map(re.compile(translate(glob)).match, listed))][:1]
    return f"did you mean {', '.join(near)}?" if near else f"use `{ALL_SYMBOLS}` or one that it lists"
