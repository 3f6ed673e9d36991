"""A venue that is not killed, and recorders against it that are: what campaigns are made of.

Every wait is bounded, and every process is ended by the pid that it was started with.
"""

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import shim
from recorder_server import FIELDS, TOLD_BYTES
from truth import Truth

HERE = Path(__file__).parent
TREE = HERE.parents[1]
START_S = 30.0
ANSWER_S = 30.0


def environment():
    """The environment of every process here: this tree's code, and nothing of the shim."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TREE), str(HERE)])}


def wait_until(done, seconds, what):
    """Wait until something holds. Raises AssertionError where it does not in time."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.002)


class Venue:
    """The venue's process. port, ca: to reach it. truth: what it sent."""

    def __init__(self, folder, *, rate, symbols, seed, off_s):
        folder.mkdir(parents=True)
        arguments = [str(it) for it in (folder, rate, symbols, seed, off_s)]
        command = [sys.executable, str(HERE / "venue_process.py"), *arguments]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self._log, env=environment())
        ready = folder / "ready"
        wait_until(lambda: ready.exists() or self._process.poll() is not None, START_S, "the venue listens")
        assert self._process.poll() is None, (folder / "log").read_text()
        self.port, self.ca, self.truth = int(ready.read_text()), folder / "ca.pem", Truth(folder / "sent")

    @property
    def pid(self):
        return self._process.pid

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()


class Run:
    """One recorder's process and what it tells."""

    def __init__(self, server, pid, told, log, counts):
        self._server, self.pid, self._told, self.log, self.counts = server, pid, told, log, counts
        self.began_ns = time.monotonic_ns()
        self.status = None

    def told(self):
        """What it reported last, by name."""
        return dict(zip(FIELDS, struct.unpack(f"<{len(FIELDS)}q", self._told.read_bytes()), strict=True))

    def send(self, number):
        """Send a signal; it has not been reaped, so its pid is its own."""
        assert self.status is None
        os.kill(self.pid, number)

    def ended(self):
        """Whether it is over, reaped or not."""
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z"

    def wait(self, seconds, what="the recorder ends"):
        """Wait for its end; return its exit code, or minus the signal that ended it. Kills it where it does not end."""
        if self.status is None:
            try:
                wait_until(self.ended, seconds, what)
            except AssertionError:
                self.send(signal.SIGKILL)
                self._server.reap(self)
                raise
            self._server.reap(self)
        return os.waitstatus_to_exitcode(self.status)

    def wait_for_data(self, seconds=20.0):
        """Wait until market data is durable; fails where it ends before."""
        wait_until(lambda: self.told()["first_ns"] or self.ended(), seconds, "market data is durable")
        assert self.told()["first_ns"], self.text()

    def kill(self):
        """End it at once."""
        if self.status is None:
            self.send(signal.SIGKILL)
            self._server.reap(self)

    def text(self):
        """What it said on standard error."""
        return self.log.read_text() if self.log.exists() else ""


class RecorderServer:
    """Starts recorders; see `recorder_server`."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self._folder = folder
        self._runs = 0
        self.alive = []
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "recorder_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment(), "LD_PRELOAD": str(shim.built())},
        )

    def start(self, order, *, rules=""):
        """Begin to record, or a job; return the run."""
        self._runs += 1
        told, log = self._folder / f"{self._runs}.told", self._folder / f"{self._runs}.log"
        told.write_bytes(bytes(TOLD_BYTES))
        counts = shim.Counts(self._folder / f"{self._runs}.counts")
        files = {"told": str(told), "log": str(log), "counts": str(counts.path)}
        answer = self._ask({**order, **files, "rules": rules})
        run = Run(self, answer["pid"], told, log, counts)
        self.alive.append(run)
        return run

    def reap(self, run):
        run.status = self._ask({"wait": run.pid})["status"]
        self.alive.remove(run)

    def close(self):
        for run in list(self.alive):
            run.kill()
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, order):
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_S)
        assert ready, "the server of recorders does not answer"
        return json.loads(self._process.stdout.readline())


class Rig:
    """A venue, a server of recorders, and a folder to work in."""

    def __init__(self, folder, *, rate=20_000, symbols=4, seed=1, off_s=0.0):
        self.folder, self.rate, self.seed = folder, rate, seed
        self.venue = Venue(folder / "venue", rate=rate, symbols=symbols, seed=seed, off_s=off_s)
        self.recorders = RecorderServer(folder / "recorders")

    @property
    def truth(self):
        return self.venue.truth

    def settings(self, root, *, heartbeat_s=60, **storage):
        """Settings of a recorder of everything, at depth 10, in batches of a second."""
        return {
            "venue": {"host": "127.0.0.1", "port": self.venue.port, "ca_file": str(self.venue.ca)},
            "session": {"sender_comp_id": "FAULTS", "heartbeat_s": heartbeat_s},
            "market": {"symbols": ["all"], "depth": 10},
            "storage": {"root": str(root), "batch_s": 1, "fsync_ms": 20, **storage},
        }

    def start(self, root, *, rules="", seconds=None, limits=None, steps=(), **storage):
        """Begin to record into a root."""
        order = {"settings": self.settings(root, **storage), "seconds": seconds, "limits": limits or {}}
        return self.recorders.start({**order, "clock": list(steps)}, rules=rules)

    def job(self, name, *arguments, rules=""):
        """Begin a job; see `jobs`."""
        return self.recorders.start({"job": [name, *map(str, arguments)]}, rules=rules)

    def close(self):
        self.recorders.close()
        self.venue.close()


@contextmanager
def rig(folder, **options):
    """A rig while the context is open."""
    it = Rig(folder, **options)
    try:
        yield it
    finally:
        it.close()
