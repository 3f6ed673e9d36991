"""A root into which others may write, or which leads elsewhere, is not written into; and what we make is ours."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lake_rows import add

from capture.columns import Columns
from capture.config import Settings, StorageSection
from storage.access import create_file, make_directories, unsafe
from storage.errors import CannotCreate, RootUnsafe
from storage.journal.appending import SegmentFile, SegmentHead
from storage.lake import Lake
from storage.recorder import Recorder
from storage.tape_layout import make_root

USER, OTHER = 1000, 1001


def status(mode: int, owner: int) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, owner, owner, 0, 0, 0, 0))


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(path: Path) -> dict[str, int]:
    return {str(it.relative_to(path)): stat.S_IMODE(it.lstat().st_mode) for it in path.rglob("*")}


def test_a_root_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    """Whoever may change the link would choose where bytes go; nothing is written behind it, nor made for it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")

    for name in ("link", "dangling"):
        with pytest.raises(RootUnsafe, match=r"it is a symlink.*name the directory itself") as caught:
            make_root(tmp_path / name)
        assert caught.value.exit_code == 77

    assert list((tmp_path / "real").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_world_writable_root_is_refused(tmp_path: Path) -> None:
    """Neither a tape nor a lake alone goes where everybody may put or take away files, sticky or not."""
    root = tmp_path / "root"
    root.mkdir()
    for mode in (0o777, 0o1777, 0o753):
        root.chmod(mode)
        with pytest.raises(RootUnsafe, match=r"everybody may write there; take that away with chmod o-w"):
            make_root(root)
        with pytest.raises(RootUnsafe):
            Lake.create_or_open(root)

    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [
        (stat.S_IFDIR | 0o750, USER, None),
        (stat.S_IFDIR | 0o770, USER, None),  # A group is chosen by whoever made the directory.
        (stat.S_IFDIR | 0o770, 0, None),  # Made by the superuser for the group that we are in.
        (stat.S_IFDIR | 0o750, OTHER, f"it belongs to user {OTHER}, and this is user {USER}"),
        (stat.S_IFDIR | 0o752, USER, "everybody may write there"),
        (stat.S_IFLNK | 0o777, USER, "it is a symlink, which may lead elsewhere tomorrow"),
    ],
)
def test_what_is_unsafe(mode: int, owner: int, reason: str | None) -> None:
    """A directory is safe if it is ours or the superuser's, no link, and not for everybody to write."""
    found = unsafe(status(mode, owner), user=USER)

    assert (found and found[0]) == reason


def test_the_superuser_takes_no_directory_of_another() -> None:
    """What the superuser wrote into a service's directory, the service could not go on with."""
    assert unsafe(status(stat.S_IFDIR | 0o750, OTHER), user=0) is not None


def test_a_recorder_does_not_begin_in_an_unsafe_root(tmp_path: Path) -> None:
    """It is refused before the venue is spoken to and before anything is written."""
    tmp_path.chmod(0o757)

    with pytest.raises(RootUnsafe), Recorder(Settings(storage=StorageSection(root=str(tmp_path))), "test"):
        pytest.fail("entered")

    assert list(tmp_path.iterdir()) == []


def test_what_is_made_has_its_mode_under_any_umask(tmp_path: Path, umask: int) -> None:
    """Files are 0640 and directories 0750, in the journal and in the lake."""
    root = make_root(tmp_path / "outer" / "root")
    columns = Columns()
    add(columns, "events")
    lake = Lake.create_or_open(root / "lake")
    lake.write_batch(columns, label="b", version=1, app_id="test", at_ns=0, metadata={})
    make_directories(root / "journal")
    SegmentFile.create(root / "journal", 1_795_348_500_123_456_789, SegmentHead("s", {}), print).close()

    found = modes(tmp_path)
    assert len(found) > 20
    assert {path: oct(mode) for path, mode in found.items() if mode not in {0o640, 0o750}} == {}
    assert {mode for path, mode in found.items() if "." in Path(path).name} == {0o640}


def test_a_symlink_is_not_written_through(tmp_path: Path) -> None:
    """A link planted where a file or a directory is to be made leads nowhere."""
    (tmp_path / "victim").write_text("keep")
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "directory").symlink_to("elsewhere")

    with pytest.raises(OSError, match="symbolic links"):
        create_file(tmp_path / "link", os.O_WRONLY | os.O_TRUNC)
    with pytest.raises(NotADirectoryError, match="a symlink stands where a directory should be"):
        make_directories(tmp_path / "directory")

    assert (tmp_path / "victim").read_text() == "keep"


def test_a_planted_date_does_not_lead_a_batch_elsewhere(tmp_path: Path) -> None:
    """A link in place of a batch's date ends the write with an error; a temporary's name cannot be foreseen."""
    date = tmp_path / "lake" / "events" / "date=2026-11-22"
    date.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    date.symlink_to(tmp_path / "elsewhere")
    lake = Lake.create_or_open(tmp_path / "lake")
    columns = Columns()
    add(columns, "events")
    with pytest.raises(NotADirectoryError):
        lake.write_batch(columns, label="b", version=1, app_id="test", at_ns=0, metadata={})
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_in_place_of_the_root_is_named(tmp_path: Path) -> None:
    """What is no directory cannot be a root."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotCreate):
        make_root(tmp_path / "file")
