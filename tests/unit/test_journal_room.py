"""The reserve of a journal: made, freed, made again, and never out of itself."""

from collections import deque

import pytest

from storage.journal.room import PROBE_BYTES, Reserve, Room

MIB = 2**20


class Disk:
    """What a file system says is free."""

    def __init__(self, free):
        self.free = free

    def __call__(self, _path):
        return self.free


@pytest.mark.parametrize(("free", "size"), [(100 * MIB, 4 * MIB), (32 * MIB, 2 * MIB), (MIB // 2, 0)])
def test_the_reserve_is_a_small_part_of_what_is_free(free, size, tmp_path):
    """A sixteenth at most; on a disk that is all but full there is none."""
    reserve = Reserve(tmp_path, 4 * MIB, deque(), Disk(free))

    reserve.open()

    path = tmp_path / ".reserve"
    assert reserve.size == size
    assert (path.stat().st_blocks * 512 >= size) if size else not path.exists()


def test_it_is_freed_once_and_made_again_when_twice_as_much_is_free(tmp_path):
    """What is left of the freed reserve is no room: it is made again out of other space."""
    alarms, disk = deque(), Disk(100 * MIB)
    reserve = Reserve(tmp_path, MIB, alarms, disk)
    reserve.open()

    given = [reserve.give(), reserve.give()]
    disk.free = 2 * MIB - 1
    reserve.look()
    early = (reserve.state, (tmp_path / ".reserve").exists())
    disk.free = 2 * MIB
    reserve.look()

    assert given == [True, False]
    assert early == (Room.RESERVE, False)
    assert (reserve.state, (tmp_path / ".reserve").stat().st_size) == (Room.ENOUGH, MIB)
    assert len(alarms) == 2


@pytest.mark.parametrize("size", [0, 4 * MIB])
def test_after_a_hole_there_is_room_once_the_reserve_fits(size, tmp_path):
    """The reserve comes first; without one, so much must be free that it is worth to go on."""
    alarms, disk = deque(), Disk(100 * MIB)
    reserve = Reserve(tmp_path, size, alarms, disk)
    reserve.open()
    reserve.give()
    reserve.refuse()
    reserve.refuse()

    disk.free = (size or PROBE_BYTES) - 1
    reserve.look()
    early = reserve.state
    disk.free += 1
    reserve.look()

    assert (early, reserve.state) == (Room.NONE, Room.ENOUGH)
    assert (tmp_path / ".reserve").exists() == bool(size)
    assert [text for _, text in alarms if "no room" in text] == [alarms[bool(size)][1]]


def test_one_that_a_kill_left_is_taken_over(tmp_path):
    """Another run's reserve is replaced by its own; at the end it is taken away."""
    (tmp_path / ".reserve").write_bytes(bytes(3 * MIB))
    reserve = Reserve(tmp_path, MIB, deque(), Disk(100 * MIB))

    reserve.open()
    size = (tmp_path / ".reserve").stat().st_size
    reserve.close()

    assert size == MIB
    assert not (tmp_path / ".reserve").exists()
