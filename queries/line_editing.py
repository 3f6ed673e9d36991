"""The line editor of the SQL shell: history that only its owner reads, and completion.

Layer: queries, below the shell. Knows no tape; what there is to complete comes in as words.
Source: XDG Base Directory Specification: history is state.

Without a `readline` module, which some builds of Python lack, there is neither, and lines are read as they are.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final, Self

readline: ModuleType | None
try:
    readline = import_module("readline")
except ImportError:
    readline = None

HISTORY_LINES: Final = 2000
HISTORY_MODE: Final = 0o600
WORDS_LIMIT: Final = 50_000
_DELIMITERS: Final = " \t\n,()=<>*+;"  # Not in symbols or names with a schema.


def history_path() -> Path:
    """Return where the history is kept: $XDG_STATE_HOME/fixtape/sql_history, by default below ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "fixtape" / "sql_history"


def completions(text: str, words: Sequence[str]) -> list[str]:
    """Return the words that begin with a text, whatever its case; an open quote is completed as a string."""
    return [word for word in words if word.casefold().startswith(text.casefold())]


class LineEditor:
    """Reads lines with history and completion; use as a context. words: read when first needed."""

    def __init__(self, words: Callable[[], Sequence[str]], *, history: Path | None) -> None:
        self._load_words, self._history = words, history
        self._words: list[str] | None = None
        self._found: list[str] = []

    def __enter__(self) -> Self:
        if readline is not None:
            readline.set_auto_history(False)
            readline.set_history_length(HISTORY_LINES)
            readline.set_completer_delims(_DELIMITERS)
            readline.set_completer(self._complete)
            bsd = "libedit" in (readline.__doc__ or "")
            readline.parse_and_bind("bind ^I rl_complete" if bsd else "tab: complete")
            if self._history is not None and _only_ours(self._history):
                with suppress(OSError):  # A history that cannot be read is none.
                    readline.read_history_file(self._history)
        return self

    def __exit__(self, *_: object) -> None:
        if readline is not None:
            readline.set_completer(None)

    def read(self, prompt: str) -> str:
        """Return a line. Errors: EOFError at the end, KeyboardInterrupt."""
        return input(prompt)

    def remember(self, statement: str) -> None:
        """Add a statement to the history, as one line, at once: a shell that is killed has lost nothing."""
        if readline is None:
            return
        readline.add_history(" ".join(statement.split()))
        if self._history is not None and _only_ours(self._history):
            with suppress(OSError):
                readline.write_history_file(self._history)

    def _complete(self, text: str, state: int) -> str | None:
        if state == 0:
            if self._words is None:
                self._words = list(self._load_words())[:WORDS_LIMIT]
            self._found = completions(text, self._words)
        return self._found[state] if state < len(self._found) else None


def _only_ours(path: Path) -> bool:
    """Make the history's file if need be, for its owner alone; return whether it is a file to be used."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, HISTORY_MODE)
    except OSError:
        return False
    try:
        os.fchmod(descriptor, HISTORY_MODE)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return path.is_file()
