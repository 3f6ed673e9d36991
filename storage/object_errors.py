"""What obstore, and deltalake about a store, raise, as one line that says what it means and what to do.

Layer: storage, below the object store. Asks nothing.
Source: error codes of the Amazon S3 API; texts of obstore 0.12 and deltalake 1.6, which have no codes of their own.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from storage.errors import BucketMissing, StoreDenied, StoreError, StoreUnreachable

REASON_CHARACTERS: Final = 160

_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_DENIED: Final = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|40[13] (Forbidden|Unauthorized)"
)
_UNREACHABLE: Final = re.compile(r"error sending request|kind: (Connect|Timeout)|timed out|connection (closed|reset)")
_DRAWN: Final = re.compile(r"\x1b\[[0-9;]*m|\s*↳\s*|\s+")  # How deltalake draws the causes of an error as a tree.


@contextmanager
def telling(place: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what obstore raises into an error of ours; some pass as they are.

    Errors: FileNotFoundError where there is no such object; StoreError.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415

    try:
        yield
    except passing:
        raise
    except StoreError:
        raise
    except (BaseError, OSError) as error:
        raise as_ours(place, error) from None


def as_ours(place: str, error: Exception) -> OSError:
    """Return the error that one of obstore, or of deltalake about a store, comes to: one line that says what to do."""
    text = _DRAWN.sub(" ", str(error)) if "\x1b" in str(error) else str(error)
    if "NoSuchBucket" in text:
        return BucketMissing("/".join(place.split("/")[:3]))
    code = _CODE.search(text)
    # The library's text goes on with its own source code and the request; what is said of it is a code or one line.
    reason = f"the store answers {code[1]}" if code else (text.splitlines() or ["no reason given"])[0]
    reason = reason[:REASON_CHARACTERS]
    if _DENIED.search(text) or isinstance(error, PermissionError):
        return StoreDenied(place, reason)
    if isinstance(error, FileNotFoundError) or type(error).__name__ == "NotFoundError":
        return FileNotFoundError(errno.ENOENT, "no such object", place)
    if _UNREACHABLE.search(text):
        return StoreUnreachable(place, "no answer")
    return StoreError(place, reason)
