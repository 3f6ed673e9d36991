"""Where an object store is and who asks it: an `s3://` address, the environment, the standard files.

Layer: storage, below the store. Knows names of settings; asks no server and imports nothing heavy.
Source: AWS SDK reference, "Shared config and credentials files" and "Environment variables".
Left to others: requests (`storage.object_store`).

The environment comes first, then the profile of `~/.aws/credentials` and `~/.aws/config`. An instance is not asked for
a role: where nothing is set, that is said at once instead of after the timeouts of an address that may not be there.
"""

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from storage.errors import StoreDenied, StoreUnusable

SCHEME: Final = "s3://"
DEFAULT_REGION: Final = "us-east-1"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART: Final = re.compile(r"[A-Za-z0-9!_.*'()=+@,-]+")  # Of a key: what needs no quoting anywhere.
_FILE_BYTES_LIMIT: Final = 1 << 20
# Roles of a container or a web identity: their credentials are fetched by the libraries, as the environment says.
_ROLES: Final = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_CREDENTIALS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket and a prefix in it, which may be empty."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".removesuffix("/")


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How to ask. settings: by the name that AWS gives them in upper case; no secret is ever shown of it."""

    settings: Mapping[str, str] = field(repr=False)

    @property
    def allows_http(self) -> bool:
        """Whether the endpoint was given as one without TLS."""
        return self.settings.get("AWS_ENDPOINT_URL", "").startswith("http://")


def is_address(text: object) -> bool:
    """Return whether a place is an address, and not a path."""
    return isinstance(text, str) and "://" in text


def parse_address(text: str) -> Address:
    """Return the address that a text is. Errors: StoreUnusable."""
    bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
    parts = [part for part in prefix.split("/") if part]
    if not text.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        raise StoreUnusable(text, "no address of an object store", remedy="use s3://BUCKET/PREFIX")
    strange = [part for part in parts if part in {".", ".."} or not _PART.fullmatch(part)]
    if strange:
        raise StoreUnusable(text, f"{strange[0]!r} is no part of a key", remedy="use letters, digits and -_.=")
    return Address(bucket, "/".join(parts))


def s3_settings(address: Address, environment: Mapping[str, str]) -> S3Settings:
    """Return how to ask for an address. Errors: StoreDenied where there are no credentials; StoreUnusable."""
    profile = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
    home = Path(environment.get("HOME") or "~").expanduser() / ".aws"
    files = (
        (environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials", profile),
        (
            environment.get("AWS_CONFIG_FILE") or home / "config",
            profile if profile == "default" else f"profile {profile}",
        ),
    )
    written: dict[str, str] = {}
    for path, section in files:
        written = {**_section(Path(path), section), **written}
    found = {name.upper(): environment.get(name.upper()) or "" for name in _CREDENTIALS}
    if not found["AWS_ACCESS_KEY_ID"]:
        found = {name.upper(): written.get(name, "") for name in _CREDENTIALS}
    skips = environment.get("AWS_SKIP_SIGNATURE", "").lower() in {"1", "true", "yes"}
    if not (found["AWS_ACCESS_KEY_ID"] and found["AWS_SECRET_ACCESS_KEY"]):
        if not skips and not any(environment.get(name) for name in _ROLES):
            raise StoreDenied(str(address), "no credentials in the environment or in ~/.aws")
        found = {}
    endpoint = (
        environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or written.get("endpoint_url")
    )
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or written.get("region")
    if endpoint and not re.fullmatch(r"https?://[^/@\s]+/?", endpoint):
        raise StoreUnusable(
            str(address), "the endpoint is no URL of a server", remedy="set AWS_ENDPOINT_URL to http(s)://HOST"
        )
    found["AWS_REGION"] = region or DEFAULT_REGION
    found["AWS_ENDPOINT_URL"] = (endpoint or "").rstrip("/")
    found["AWS_SKIP_SIGNATURE"] = "true" if skips else ""
    return S3Settings({name: value for name, value in found.items() if value})


def _section(path: Path, section: str) -> dict[str, str]:
    """Return a section of a file of settings, empty where either is missing. Errors: StoreUnusable."""
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_LIMIT).decode("utf-8")
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # What is wrong with the text is not repeated: it holds secrets.
        reason = f"cannot be read: {type(error).__name__}"
        raise StoreUnusable(str(path), reason, remedy="mend it, or set the AWS_ variables instead") from None
    return dict(parser.items(section)) if parser.has_section(section) else {}
