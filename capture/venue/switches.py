"""Switches: settings that a command line can set by name, each for a question that Kraken's pages leave open.

Layer: venue. The mechanism only; which switches there are, and their defaults, is in `venue.settings`.
"""

from collections.abc import Iterable
from dataclasses import Field, field, fields
from difflib import get_close_matches
from typing import Any, Final

from capture.errors import SettingInvalid

SWITCH_DIGITS_LIMIT: Final = 6


def switch(row: str, text: str, *choices: str, default: Any) -> Any:
    """Return a field that `--switch` can set: to one of the choices, or as its default is, on or off, or a number.

    row: of the reference's list of open questions, or its section.
    """
    return field(default=default, metadata={"row": row, "text": text, "choices": choices})


def switches_of(settings: type[Any]) -> dict[str, Field[Any]]:
    """Return the switches of a class of settings by name, in their order."""
    return {it.name: it for it in fields(settings) if it.metadata}


def parse_switches(texts: Iterable[str], settings: type[Any]) -> dict[str, Any]:
    """Return `name=value` texts as settings of a class. Errors: SettingInvalid naming what can be said instead."""
    known = switches_of(settings)
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        found = known.get(name)
        if found is None:
            near = get_close_matches(name, known, n=1)
            hint = f"{near[0]}" if near else "one that --switch help lists"
            raise SettingInvalid(where="--switch", received=f"{name!r}, which is none", allowed=hint)
        if not equals:
            raise SettingInvalid(
                where=f"--switch {name}", received="without a value", allowed=f"{name}={allowed(found)}"
            )
        parsed[name] = _value(found, value)
    return parsed


def describe_switches(settings: type[Any]) -> list[str]:
    """Return one line for each switch: name, values, default, the row of the reference, and what it is."""
    return [
        f"{name}={allowed(it)}  (default {shown(it.default)}; row {it.metadata['row']})  {it.metadata['text']}"
        for name, it in switches_of(settings).items()
    ]


def allowed(found: Field[Any]) -> str:
    """Return what a switch can be set to."""
    if found.metadata["choices"]:
        return "|".join(found.metadata["choices"])
    return "on|off" if isinstance(found.default, bool) else "NUMBER"


def shown(value: Any) -> str:
    """Return a value as it is given on the command line."""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _value(found: Field[Any], text: str) -> Any:
    choices = found.metadata["choices"]
    if choices and text in choices:
        return text
    if isinstance(found.default, bool) and text in {"on", "off"}:
        return text == "on"
    is_number = isinstance(found.default, int) and not isinstance(found.default, bool)
    if is_number and text.isascii() and text.isdigit() and len(text) <= SWITCH_DIGITS_LIMIT:
        return int(text)
    raise SettingInvalid(where=f"--switch {found.name}", received=repr(text), allowed=allowed(found))
