"""API key and secret: where they come from, and the Password(554) that proves them.

Layer: trading. Imports wire only.
Source: venue reference 3.1; faults D6 and D7.
Left to others: the nonce, which must rise over restarts (`trading.store`).

Neither value is ever an option, part of a text, or an attribute that a representation shows. A key is as secret as
the secret here: it names an account.
"""

import base64
import binascii
import hashlib
import hmac
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from capture.errors import CredentialsRefused
from capture.wire import tags

KEY_VARIABLE: Final = "FIXTAPE_API_KEY"
SECRET_VARIABLE: Final = "FIXTAPE_API_SECRET"  # noqa: S105 - the name of a variable.
FILE_BYTES_LIMIT: Final = 4096
OTHERS_MODE: Final = 0o077  # Any of these bits lets somebody else at the file.


class Credentials:
    """An API key and its secret; shows neither."""

    __slots__ = ("_key", "_secret")

    def __init__(self, key: str, secret: str) -> None:
        """Errors: CredentialsRefused for a key that is no printable ASCII, a secret that is no base64."""
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise CredentialsRefused("the API key is empty or not printable ASCII; copy it again from the venue")
        try:
            decoded = base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        if not decoded:
            # From outside the handler: an exception in context would carry the secret along.
            raise CredentialsRefused("the API secret is not base64; copy it again from the venue")
        self._key, self._secret = key.encode(), decoded

    def __repr__(self) -> str:
        return "Credentials(not shown)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not to be copied into a file")

    @property
    def username(self) -> bytes:
        """The value of Username(553)."""
        return self._key

    def password(self, *, msg_seq_num: int, sender: bytes, target: bytes, nonce: int) -> bytes:
        """Return Password(554) for the Logon of this number and nonce.

        Source: venue reference 3.1; reproduces its vector.
        """
        signed = (
            (tags.MSG_TYPE, tags.LOGON),
            (tags.MSG_SEQ_NUM, b"%d" % msg_seq_num),
            (tags.SENDER_COMP_ID, sender),
            (tags.TARGET_COMP_ID, target),
            (tags.USERNAME, self._key),
        )
        text = b"".join(b"%d=%b\x01" % it for it in signed) + b"%d" % nonce
        return base64.b64encode(hmac.digest(self._secret, hashlib.sha256(text).digest(), "sha512"))


def load(environment: Mapping[str, str], path: Path | None) -> Credentials:
    """Return the credentials of a file if one is named, else of the environment. Errors: CredentialsRefused."""
    if path is not None:
        return _read(path)
    key, secret = environment.get(KEY_VARIABLE), environment.get(SECRET_VARIABLE)
    if not key or not secret:
        missing = KEY_VARIABLE if not key else SECRET_VARIABLE
        raise CredentialsRefused(f"{missing} is not set; export it, or name a file of mode 0600 with --credentials")
    return Credentials(key, secret)


def _read(path: Path) -> Credentials:
    """Return the credentials of a file: two lines, or TOML with `api_key` and `api_secret`."""
    text = _read_safely(path).decode("utf-8", "replace").strip()
    lines = text.split()
    if len(lines) == 2 and text.count("\n") == 1:
        return Credentials(*lines)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        table = {}
    key, secret = table.get("api_key"), table.get("api_secret")
    if not isinstance(key, str) or not isinstance(secret, str):
        raise CredentialsRefused(
            f"{path}: no credentials in it; write the API key and the secret as two lines, or as TOML:"
            ' api_key = "…" and api_secret = "…"'
        )
    return Credentials(key, secret)


def _read_safely(path: Path) -> bytes:
    """Return the bytes of a file that nobody else can read or swap; looks at what was opened, not at the name."""
    try:
        # Without blocking: a pipe in its place would otherwise hold us up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        problem = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise CredentialsRefused(f"{path}: {problem}; name a regular file of your own, mode 0600") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CredentialsRefused(f"{path}: not a regular file; name one of your own, mode 0600")
        if status.st_uid != os.geteuid():
            raise CredentialsRefused(f"{path}: it belongs to somebody else; make your own copy: install -m 0600")
        if status.st_mode & OTHERS_MODE:
            mode = stat.S_IMODE(status.st_mode)
            raise CredentialsRefused(f"{path}: mode {mode:04o} lets others at it; do: chmod 600 {path}")
        data = os.read(descriptor, FILE_BYTES_LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(data) > FILE_BYTES_LIMIT:
        raise CredentialsRefused(f"{path}: larger than {FILE_BYTES_LIMIT} bytes; it holds two lines")
    return data
