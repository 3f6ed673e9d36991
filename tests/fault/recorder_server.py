"""Recorders by the hundred, each in a process of its own, without an import each: forked from one that has them all.

    LD_PRELOAD=shim.so python recorder_server.py

One JSON object a line on standard input: `settings` of a recorder, `told`, the file of what it reports durable,
`rules` and `counts` of the shim, `seconds`, `limits` by resource, `clock`, steps of the wall clock as pairs of seconds
after the start and by how much, and `log`, a file for its standard error. Or, in place of `settings`, `job`: a function
of `jobs` and its arguments. It is answered by {"pid": N}. {"wait": N} is answered by {"status": N} once that one has
ended, as waitpid has it. A child dies with this process, and this process ends with its standard input.

A recorder reports by a mapped file, which outlives it however it ends: see FIELDS.
"""

import asyncio
import ctypes
import json
import mmap
import os
import resource
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

import jobs
import msgspec
import pyarrow.parquet  # noqa: F401 - loaded before the fork, as all that a recorder loads

from capture import clock
from capture.backoff import Backoff
from capture.cli_support import reporting_errors
from capture.client import run
from capture.clock import Now
from capture.config import Settings
from storage.recorder import Recorder

SOFTWARE = "fixtape faults"
LOOK_S = 0.002
PR_SET_PDEATHSIG = 1
# What a recorder reports, as 64-bit integers. durable: bytes of segments that it called durable. first_ns: monotonic
# time at which the first market data was durable. committed: rows of the lake. done: 1 after an end in order.
FIELDS = (
    "durable",
    "first_ns",
    "committed",
    "messages",
    "received",
    "written",
    "mismatches",
    "gaps",
    "connections",
    "done",
    "lag_us",
)
TOLD_BYTES = 8 * len(FIELDS)


class _Reporter:
    """Keeps the file of what a recorder says up to date, from a thread of its own."""

    def __init__(self, recorder, path):
        with path.open("r+b") as file:
            self._map = memoryview(mmap.mmap(file.fileno(), TOLD_BYTES)).cast("q")
        self._recorder = recorder
        self._mark = None
        threading.Thread(target=self._run, daemon=True).start()

    def say(self, name, value):
        self._map[FIELDS.index(name)] = value

    def told(self, name):
        return self._map[FIELDS.index(name)]

    def look(self):
        recorder = self._recorder
        durable = recorder.journal.durable_bytes
        if self._mark is None and recorder.counters.market_data:
            self._mark = recorder.journal.written_bytes
        if self._mark is not None and durable >= self._mark and not self.told("first_ns"):
            self.say("first_ns", time.monotonic_ns())
        counters = recorder.counters
        self.say("durable", durable)
        self.say("committed", recorder.writer.committed_rows)
        self.say("messages", counters.market_data)
        self.say("written", recorder.journal.written_bytes)
        self.say("received", recorder.journal.received_bytes)
        self.say("mismatches", counters.mismatches)
        self.say("gaps", counters.gaps)

    def _run(self):
        while True:
            self.look()
            time.sleep(LOOK_S)


async def _watch_loop(reporter):
    """Keep the longest time that the event loop was held up."""
    while True:
        begin = time.monotonic()
        await asyncio.sleep(0.01)
        late_us = int((time.monotonic() - begin - 0.01) * 1e6)
        reporter.say("lag_us", max(late_us, reporter.told("lag_us")))


def _stepping(steps):
    """A clock whose wall time is off by the steps that have come; its monotonic time is not."""
    begin_s = time.monotonic()

    def read():
        now = clock.read()
        off_s = sum(by for after, by in steps if time.monotonic() - begin_s >= after)
        return Now(now.wall_ns + int(off_s * 1e9), now.mono_ns)

    return read


def _alarm(text):
    os.write(2, f"alarm: {text}\n".encode())


def _work(order):
    if "job" in order:
        name, *arguments = order["job"]
        getattr(jobs, name)(*arguments)
    else:
        _record(order)


def _record(order):
    settings = msgspec.convert(order["settings"], Settings)
    read_clock = _stepping(order["clock"]) if order.get("clock") else clock.read
    quick = Backoff(lambda _low, _high: 0.1)
    with Recorder(settings, SOFTWARE, backoff=quick, read_clock=read_clock, on_alarm=_alarm) as recorder:
        reporter = _Reporter(recorder, Path(order["told"]))
        summaries = []

        async def main():
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, recorder.stop)
            watching = asyncio.ensure_future(_watch_loop(reporter))
            summaries.append(await recorder.run(seconds=order.get("seconds")))
            watching.cancel()

        run(main())
        reporter.look()
        reporter.say("connections", summaries[0].connections)
        reporter.say("done", 1)


def _child(order):
    """Record in a child, and end it as the command line would: one line on standard error, and its exit code."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, limit in order.get("limits", {}).items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    if order.get("rules"):
        os.environ["FIXTAPE_FAULT_COUNTS"] = order["counts"]
        os.putenv("FIXTAPE_FAULT_COUNTS", order["counts"])
        ctypes.CDLL(None).fixtape_fault_arm(order["rules"].encode())
    code = 70
    try:
        reporting_errors(_work)(order)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - it is told, and the child ends
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def main():
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = {"status": os.waitpid(order["wait"], 0)[1]}
        else:
            pid = os.fork()
            if pid == 0:
                _child(order)
            answer = {"pid": pid}
        with suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
