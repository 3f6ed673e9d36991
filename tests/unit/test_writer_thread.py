"""The lake's writer: what it does about a batch that cannot be written now, and about one that never can."""

import errno
import os
import threading
from collections import deque

import pytest

from capture.columns import Columns
from storage.batcher import Batch
from storage.errors import StoreDenied, StoreUnreachable
from storage.lake import BatchReport
from storage.writer_thread import WriterThread

BATCH = Batch(Columns(), "r", 0, 1, 1)
REPORT = BatchReport({}, 7, (), ())


class Refusing:
    """Commits a batch after so many refusals; keeps what it was told of earlier tries."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.told = []
        self.tried = threading.Event()

    def __call__(self, batch, again):
        self.told.append(again)
        self.tried.set()
        if self.errors:
            raise self.errors.pop(0)
        return REPORT


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        RuntimeError("Generic LocalFileSystem error: No space left on device (os error 28)"),
        StoreUnreachable("s3://bucket/lake", "no answer"),
        StoreDenied("s3://bucket/lake", "the store answers ExpiredToken"),
    ],
)
def test_a_batch_without_room_is_tried_again_and_told_as_such(error):
    """It is committed later, its writer knows that it may be there in part, and both ends of it are said once."""
    alarms, write = deque(), Refusing(error, error)
    writer = WriterThread(write, alarms=alarms, retry_s=0.001)

    writer.put(BATCH)
    while writer.batches == 0:
        writer.check()
    writer.finish()

    assert write.told == [False, True, True]
    assert (writer.committed_bytes, writer.waits_for) == (7, "")
    assert [text.partition(":")[0] for _, text in alarms][1:] == ["over"]


def test_a_stop_does_not_wait_for_room():
    """At the end a batch is tried a last time, and what refused it is raised."""
    refusal = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write = Refusing(*[refusal] * 5)
    writer = WriterThread(write, retry_s=30)
    writer.put(BATCH)
    write.tried.wait(10)

    with pytest.raises(OSError, match="No space left"):
        writer.finish()

    assert len(write.told) == 2


def test_another_failure_is_not_tried_again():
    """A disk that fails ends the writer at once: nothing is known of what it would say next."""
    write = Refusing(OSError(errno.EIO, os.strerror(errno.EIO)))
    writer = WriterThread(write)
    writer.put(BATCH)

    with pytest.raises(OSError, match="Input/output"):
        writer.finish()

    assert write.told == [False]


def test_nothing_is_tried_while_the_journal_needs_what_room_there_is():
    """While it is held no batch is written; afterwards it is."""
    held, write = [True], Refusing()
    alarms = deque()
    writer = WriterThread(write, alarms=alarms, hold=lambda: held[0])
    writer.put(BATCH)
    while not alarms:
        writer.check()
    before = list(write.told)

    held.clear()
    held.append(False)
    writer.finish()

    assert (before, write.told) == ([], [False])
