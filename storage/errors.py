"""What can go wrong in the journal and the lake.

Layer: storage, lowest. Imports nothing of it.

    StorageError                 exit_code 74, unless a line below says otherwise
    ├── RootLocked               another recorder writes there; 75
    ├── RootUnsafe               others may write there, or lead it elsewhere; 77
    ├── ClusterUnfit             a cluster that does not answer, has no workers, or others than ours; 69
    ├── PartFailed               workers died of a part of some work; 74
    ├── IncidentUnreadable       no incident where one should be; 74
    ├── JournalError
    │   ├── JournalUncreatable   a directory or segment cannot be made; also an OSError; 73
    │   ├── JournalUnwritable    write(2) or fdatasync(2) failed; also an OSError; 74
    │   │   └── JournalFull      there is no room at present; also a NoRoom of capture.sinks; 74
    │   ├── JournalMissing       no segment where a journal should be; 2
    │   ├── JournalUnreadable    a segment cannot be opened or read; also an OSError; 74
    │   ├── JournalDamaged       a block is not as it was written; 3
    │   ├── NothingToServe       no book in a window that a venue could serve; 1
    │   ├── RunIncomplete        a run's first records are not in the journal; 3
    │   └── JournalTooNew        written by a later version in a layout unknown here; 78
    ├── LakeError
    │   ├── CannotCreate         the lake or a table cannot be made or written; 73
    │   ├── LakeMissing          no table where a lake should be; 74
    │   ├── LakeDamaged          a log entry or a file is not as it was written; 3
    │   ├── AsOfUnknown          a version that the lake never had; 2
    │   ├── LakeNewer            written by a later version in a layout unknown here; 78
    │   ├── RowsDiffer           a compacted file does not hold the rows of its inputs; 74
    │   ├── MergeRefused         two lakes that cannot be united; 2
    │   ├── MergeStateLost       what a merge kept of its last date is not there; 3
    │   ├── LakeTaken            the lake of another tape is there; 73
    │   ├── LakeElsewhere        the tape has its lake at another place; 78
    │   ├── CommitConflict       another change came first and took what this one stood on; 75
    │   ├── CommitContended      too many changes of others came first; 75
    │   └── PushRefused          the target of a push has files of another tape; 73
    └── StoreError               a request to an object store failed; also an OSError; 74
        ├── BucketMissing        no such bucket; 74
        ├── StoreDenied          no credentials, or they are refused; 77
        ├── StoreUnreachable     no answer; 69
        ├── StoreUnusable        an address or a setting by which no store can be asked; 78
        └── LakeBehind           a recorder ended before the store took its last batches; 69

Codes as in sysexits.h: 69 unavailable, 73 cannot create, 74 input or output, 75 try again later, 77 permission,
78 configuration;
3 is "done, with findings".
"""

from pathlib import Path
from typing import Any, ClassVar

from capture.sinks import NoRoom


class SendableError(Exception):
    """An error that another process can be told, whatever the arguments of its own `__init__` are called."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again from its text and fields: there no `__init__` is called."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[SendableError], args: tuple[Any, ...], fields: dict[str, Any]) -> SendableError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class StorageError(SendableError):
    """Anything that storage raises on purpose."""

    exit_code: ClassVar[int] = 74


class RootLocked(StorageError):
    """Another process writes to this tape."""

    exit_code = 75

    def __init__(self, root: Path, holder: str | None = None) -> None:
        who = f": {holder}" if holder else ""
        super().__init__(
            f"{root}: another recorder writes there{who}; stop it first, or give this one a root of its own"
        )
        self.root, self.holder = root, holder


class RootUnsafe(StorageError):
    """Whatever is written there would not be this user's alone."""

    exit_code = 77

    def __init__(self, root: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{root}: not safe to write into: {reason}; {remedy}")
        self.root, self.reason = root, reason


class ClusterUnfit(StorageError):
    """A cluster that cannot do our work."""

    exit_code = 69

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"{address}: {problem}")
        self.address, self.problem = address, problem


class PartFailed(StorageError):
    """A part of which worker after worker died."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}; look at their memory, and do it alone with --engine one")
        self.part, self.problem = part, problem


class IncidentUnreadable(StorageError):
    """A directory does not hold an incident that can be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: no incident that can be read: {reason}; `fixtape incident ls ROOT` names them")
        self.path, self.reason = path, reason


# The journal.


class JournalError(StorageError):
    """Anything that the journal raises on purpose."""


class JournalIoError(JournalError, OSError):
    """A refusal of the file system; an OSError too, so that capture can catch it without knowing storage."""

    remedy: ClassVar[str]

    def __init__(self, path: Path, *, doing: str, cause: OSError) -> None:
        reason = cause.strerror or str(cause)
        super().__init__(f"{path}: cannot {doing}: {reason}; {self.remedy}")
        self.path, self.doing, self.errno = path, doing, cause.errno


class JournalUncreatable(JournalIoError):
    """A directory or a segment cannot be made."""

    exit_code = 73
    remedy = "make the directory writable for this user, or give another one"


class JournalUnwritable(JournalIoError):
    """The file system refused bytes, or could not say that they are durable."""

    remedy = "free space or replace the disk, then start again; what was durable before is kept"


class JournalFull(JournalUnwritable, NoRoom):
    """There is no room for a record at present; it is not kept, and the segment ends with its last whole block."""

    def __init__(self, path: Path, *, doing: str, cause: OSError, kind: str = "disk full") -> None:
        super().__init__(path, doing=doing, cause=cause)
        self.kind, self.why = kind, cause.strerror or str(cause)


class JournalUnreadable(JournalIoError):
    """A segment cannot be opened or read."""

    remedy = "check the path and its permissions"


class JournalMissing(JournalError):
    """No segment stands where a journal should be."""

    exit_code = 2

    def __init__(self, root: Path) -> None:
        super().__init__(f"{root}: no journal here; give the directory that `fixtape record` writes")
        self.root = root


class JournalDamaged(JournalError):
    """A block inside a segment is not as it was written."""

    exit_code = 3

    def __init__(self, path: Path, *, offset: int, what: str, expected: str, received: str, remedy: str) -> None:
        super().__init__(f"{path}: block at {offset}: {what}: expected {expected}, received {received}; {remedy}")
        self.path, self.offset, self.what = path, offset, what
        self.expected, self.received, self.remedy = expected, received, remedy


class NothingToServe(JournalError):
    """A window of a journal of which a venue can serve nothing, or too much."""

    exit_code = 1

    def __init__(self, root: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{root}: {problem}; {remedy}")
        self.root, self.problem = root, problem


class RunIncomplete(JournalError):
    """The first records of a run are gone: its batches cannot be counted, so none of them is made."""

    exit_code = 3

    def __init__(self, journal: Path, run: str, why: str) -> None:
        super().__init__(
            f"{journal}: run {run}: {why}; its batches cannot be counted, so none of them is made; "
            "bring the missing segments back, or rebuild into an empty lake with --into"
        )
        self.journal, self.run, self.why = journal, run, why


class JournalTooNew(JournalError):
    """A segment of a later version; reading it by the rules known here would be guessing."""

    exit_code = 78

    def __init__(self, path: Path, *, expected: int, received: int) -> None:
        super().__init__(f"{path}: journal schema {received}, at most {expected} is known here; update fixtape")
        self.path, self.expected, self.received = path, expected, received


# The lake.


class LakeError(StorageError):
    """Anything that the lake raises on purpose."""


class CannotCreate(LakeError):
    """The lake or one of its tables cannot be made or written."""

    exit_code = 73

    def __init__(
        self, path: Path | str, reason: str, *, remedy: str = "make the directory writable for this user"
    ) -> None:
        super().__init__(f"{path}: cannot create: {reason}; {remedy}")
        self.path, self.reason = path, reason


class LakeMissing(LakeError):
    """No table stands where a lake should be."""

    exit_code = 74

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"{path}: no lake here; give the directory that the recorder or a rebuild wrote")
        self.path = path


class LakeDamaged(LakeError):
    """A log entry or a file is not as it was written."""

    exit_code = 3

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: damaged: {reason}; set it aside and rebuild it from the journal")
        self.path, self.reason = path, reason


class AsOfUnknown(LakeError):
    """A version of the lake that is not there to go back to."""

    exit_code = 2

    def __init__(self, *, version: int, newest: int) -> None:
        held = f"0 to {newest}" if newest >= 0 else "none"
        super().__init__(f"lake version {version} is not there; it has {held}, of its table events")
        self.version, self.newest = version, newest


class LakeNewer(LakeError):
    """A table of a later version; reading it by the rules known here would be guessing."""

    exit_code = 78

    def __init__(self, path: Path | str, *, expected: int, received: int) -> None:
        super().__init__(f"{path}: schema {received}, at most {expected} is known here; upgrade fixtape")
        self.path, self.expected, self.received = path, expected, received


class RowsDiffer(LakeError):
    """A file that was made of others does not hold their rows, so nothing was done with it."""

    def __init__(self, path: Path, *, expected: str, received: str) -> None:
        super().__init__(
            f"{path}: not the rows it was made of: expected {expected}, received {received}; the lake is as it was; "
            "look at disk and memory, then run the command again"
        )
        self.path, self.expected, self.received = path, expected, received


class MergeRefused(LakeError):
    """Two lakes that cannot be united, or not into this one."""

    exit_code = 2


class MergeStateLost(LakeError):
    """What a merge kept of its last date cannot be read, so that no other date can follow."""

    exit_code = 3

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot go on from the last date that was merged: {reason}; merge into a new root")
        self.path, self.reason = path, reason


class CommitConflict(LakeError):
    """Another change of the same table came first, and this one no longer holds."""

    exit_code = 75

    def __init__(self, path: Path | str, *, entry: int, what: str) -> None:
        super().__init__(
            f"{path}: another process changed the same files of the lake: log entry {entry} came first, {what}; "
            "run the command again"
        )
        self.path, self.entry, self.what = path, entry, what


class CommitContended(LakeError):
    """So many changes of others came first that this one was given up."""

    exit_code = 75

    def __init__(self, path: Path | str, *, tries: int) -> None:
        super().__init__(f"{path}: {tries} log entries of other processes came first; try again when they are done")
        self.path, self.tries = path, tries


class PushRefused(LakeError):
    """What is to be replaced in the target did not come from this tape."""

    exit_code = 73

    def __init__(self, place: str, *, files: int, first: str) -> None:
        super().__init__(
            f"{place}: {files} files there are of another tape, {first} the first; give each tape a place of its own"
        )
        self.place, self.files, self.first = place, files, first


class LakeTaken(LakeError):
    """Another tape has its lake at an address."""

    exit_code = 73

    def __init__(self, place: str, whose: str) -> None:
        super().__init__(f"{place}: {whose}; give each tape an address of its own")
        self.place, self.whose = place, whose


class LakeElsewhere(LakeError):
    """A tape has its lake at another place than the one that is asked for."""

    exit_code = 78

    def __init__(self, root: Path, *, expected: str, received: str) -> None:
        here = root / (".lake.json" if "://" in expected else "lake")
        super().__init__(
            f"{root}: its lake is at {expected}, not at {received}; leave storage.lake (--lake) as it was, or give this"
            f" one a root of its own, or move {here} away, to have a lake made anew of all that the journal has"
        )
        self.root, self.expected, self.received = root, expected, received


# An object store.


class StoreError(StorageError, OSError):
    """A request to an object store that failed; an OSError too, as every store raises.

    may_pass: whether another try, later and the same, may be answered.
    """

    may_pass: ClassVar[bool] = True

    def __init__(self, place: str, reason: str, *, remedy: str = "try again; what was done before is kept") -> None:
        super().__init__(f"{place}: {reason}; {remedy}")
        self.place, self.reason = place, reason


class BucketMissing(StoreError):
    """The bucket is not there; none is made."""

    may_pass = False

    def __init__(self, place: str) -> None:
        super().__init__(place, "no such bucket", remedy="make it, or look at the address and the endpoint")


class StoreDenied(StoreError):
    """The store refuses the credentials, or there are none to show."""

    exit_code = 77
    may_pass = False

    def __init__(self, place: str, reason: str) -> None:
        remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to one that may read and write there"
        super().__init__(place, reason, remedy=remedy)


class StoreUnreachable(StoreError):
    """No answer from the store."""

    exit_code = 69

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason, remedy="look at the network and at AWS_ENDPOINT_URL, then try again")


class StoreUnusable(StoreError):
    """An address, or a setting, by which no store can be asked."""

    exit_code = 78
    may_pass = False


class LakeBehind(StoreError):
    """A recorder ended while its lake's store did not take the last batches; the journal has all of them."""

    exit_code = 69

    def __init__(self, cause: StoreError) -> None:
        remedy = "the journal has every batch, and the next start, or `fixtape recover ROOT`, commits what is missing"
        super().__init__(cause.place, f"{cause.reason}: the lake lacks the last batches", remedy=remedy)
