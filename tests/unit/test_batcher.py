"""Batches end where receive time crosses a boundary, and their numbers rise whatever the clock does."""

from capture.columns import Columns
from storage.batcher import Batcher

SECOND = 10**9
RUN = "19700101T001640.000000000Z"


class Source:
    """A feed that has nothing but rows."""

    def __init__(self):
        self.columns = Columns()

    @property
    def row_count(self):
        return self.columns.rows

    def take_columns(self):
        taken, self.columns = self.columns, Columns()
        return taken


def batches_of(times, *, batch_s=60, rows_limit=1000):
    """The batches that records of these times, one row each, are cut into."""
    written, source = [], Source()
    batcher = Batcher(RUN, batch_s, source, written.append, rows_limit)
    for at_ns in times:
        batcher.advance(at_ns)
        source.columns.events.append((at_ns, -1, 0, -1, "note", at_ns, at_ns, 0, None, None, None))
    batcher.cut()
    return written


def rows(batch):
    """The receive times in a batch."""
    return list(batch.columns.events.columns["receive_ns"])


def test_a_batch_ends_with_the_record_that_crosses_the_boundary():
    """The first record past the boundary begins the next batch, however late it comes."""
    times = [1_000 * SECOND, 1_019 * SECOND, 1_020 * SECOND, 1_300 * SECOND]

    batches = batches_of(times)

    assert [rows(batch) for batch in batches] == [times[:2], times[2:3], times[3:]]
    assert [batch.begin_ns // SECOND for batch in batches] == [960, 1_020, 1_260]


def test_a_clock_that_steps_back_stays_in_its_batch():
    """Time that goes back makes no batch before the present one."""
    times = [1_000 * SECOND, 1_030 * SECOND, 900 * SECOND, 1_040 * SECOND]

    batches = batches_of(times)

    assert [rows(batch) for batch in batches] == [times[:1], times[1:]]


def test_batches_are_numbered_from_one_within_their_run():
    """The run's name and the number are what a commit of a batch is known by."""
    times = [1_000 * SECOND, 1_030 * SECOND, 1_090 * SECOND]

    batches = batches_of(times)

    assert [(batch.run, batch.number) for batch in batches] == [(RUN, 1), (RUN, 2), (RUN, 3)]


def test_labels_are_the_second_at_which_a_batch_begins():
    """A file's name tells from when its rows are."""
    (batch,) = batches_of([1_000 * SECOND])

    assert batch.label == "19700101T001600Z"


def test_a_stretch_without_rows_makes_no_batch():
    """Nothing happened, nothing is written."""
    assert batches_of([]) == []


def test_a_full_batch_ends_before_its_time():
    """A burst is cut where it has so many rows, and its batches bear the same minute and numbers that go on."""
    times = [1_000 * SECOND + n for n in range(7)]

    batches = batches_of(times, rows_limit=3)

    assert [rows(batch) for batch in batches] == [times[:3], times[3:6], times[6:]]
    assert [(batch.number, batch.begin_ns // SECOND) for batch in batches] == [(1, 960), (2, 960), (3, 960)]
