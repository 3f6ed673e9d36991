"""Contenders in turn, round by round, and what they come to: medians with their spread, ratios pair by pair.

Absolute figures on shared machines drift; ratios of things that were measured in turn in the same run hold.
"""

import json
import os
import select
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

HERE: Final = Path(__file__).parent
ANSWER_S_LIMIT: Final = 600.0  # A round is a second or a minute; the first answer may have to load a great deal.
END_S_LIMIT: Final = 10.0


class ContenderFailed(Exception):
    """A contender that ended, or said nothing in time; what it had to say is above on standard error."""

    def __init__(self, script: str, problem: str) -> None:
        super().__init__(f"{script}: {problem}; its own words are above")


class Talker:
    """A process that answers lines by lines of JSON; a context manager that ends it."""

    def __init__(self, script: str, *arguments: str, python: str = sys.executable) -> None:
        self.script = script
        self._process = subprocess.Popen(
            [python, str(HERE / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(END_S_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def say(self, line: str = "") -> None:
        """Send one line. Errors: ContenderFailed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderFailed(self.script, "it ended") from None

    def hear(self, seconds: float = ANSWER_S_LIMIT) -> Any:
        """Return the next answer. Errors: ContenderFailed."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise ContenderFailed(self.script, f"no answer within {seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise ContenderFailed(self.script, f"it ended with {self._process.wait(10)}")
        return json.loads(line)


@dataclass(frozen=True)
class Entry:
    """Who takes part: a script, the Python that runs it, the folder with its material, and a round's length."""

    script: str
    folder: Path
    seconds: float
    python: str = sys.executable
    arguments: tuple[str, ...] = ()


@dataclass
class Result:
    """What one contender came to. speeds: messages a second of CPU, round by round."""

    name: str
    note: str
    speeds: list[float] = field(default_factory=list)
    messages: int = 0
    resident_bytes: int = 0

    @property
    def costs_us(self) -> list[float]:
        """Microseconds of CPU a message, round by round."""
        return [1e6 / speed for speed in self.speeds]


def alternate(entries: Iterable[Entry], rounds: int) -> list[Result]:
    """Return the results of all, who take turns: round one of each, round two of each, and so on."""
    with ExitStack() as stack:
        talkers = []
        for it in entries:
            arguments = (str(it.folder), str(it.seconds), *it.arguments)
            talkers.append(stack.enter_context(Talker(it.script, *arguments, python=it.python)))
        results = [Result(said["name"], said["note"]) for said in [talker.hear() for talker in talkers]]
        for _ in range(rounds):
            for talker, result in zip(talkers, results, strict=True):
                talker.say()
                said = talker.hear()
                result.speeds.append(said["messages"] / said["cpu_ns"] * 1e9)
                result.messages += said["messages"]
                result.resident_bytes = max(result.resident_bytes, said["resident_bytes"])
    return results


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Return the median and between what the rounds lie."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return the median of the ratios taken round by round, and between what they lie."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    form = ",.2f" if min(ratios) < 10 else ",.1f" if min(ratios) < 100 else ",.0f"
    return spread(ratios, form).replace(" (", " x (", 1)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def environment(variable: str) -> str | None:
    """Return the Python of another environment, or None where the variable names none."""
    return os.environ.get(variable) or None
