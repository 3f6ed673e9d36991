"""Credentials: the venue's vector, where they may come from, and that nothing shows them."""

import os
import pickle
import traceback

import pytest

from capture.errors import CredentialsRefused
from capture.trading.credentials import Credentials, load

KEY, SECRET = "PLANTEDKEY", "UExBTlRFRC1TRUNSRVQ="
ENVIRONMENT = {"FIXTAPE_API_KEY": KEY, "FIXTAPE_API_SECRET": SECRET}


def test_the_password_is_that_of_the_vector():
    """The vector of the venue reference, section 3.1."""
    password = Credentials("APIKEY", "c2VjcmV0").password(
        msg_seq_num=7, sender=b"CLIENT", target=b"KRAKEN-TRD", nonce=1724512345678
    )

    assert password == b"MwX+M7nvuHXxD5aGI/TFpghXxg2iblxXYyz7lRzLCPMA4UJYI3osNrUKWCiI3fDnOLkEQ5WKSK58Mp3nvu1Klw=="


def test_the_environment_gives_credentials():
    """Without a file the two variables count."""
    assert load(ENVIRONMENT, None).username == KEY.encode()


@pytest.mark.parametrize("missing", list(ENVIRONMENT))
def test_a_variable_that_is_missing_is_named(missing):
    """The message says which variable, and what else would do."""
    with pytest.raises(CredentialsRefused, match=f"{missing} is not set.*--credentials"):
        load({**ENVIRONMENT, missing: ""}, None)


@pytest.mark.parametrize(
    "text", [f"{KEY}\n{SECRET}\n", f"{KEY}\n{SECRET}", f'api_key = "{KEY}"\napi_secret="{SECRET}"']
)
def test_a_file_gives_credentials(tmp_path, text):
    """Two lines or TOML."""
    assert load({}, kept(tmp_path, text)).username == KEY.encode()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o700 | 0o010])
def test_a_file_that_others_can_reach_is_refused(tmp_path, mode):
    """The hint is the command that mends it."""
    path = kept(tmp_path, f"{KEY}\n{SECRET}\n")
    path.chmod(mode)

    with pytest.raises(CredentialsRefused, match=f"chmod 600 {path}") as caught:
        load({}, path)

    assert caught.value.exit_code == 77


def test_a_symbolic_link_is_refused(tmp_path):
    """What it points to may change between two looks."""
    link = tmp_path / "link"
    link.symlink_to(kept(tmp_path, f"{KEY}\n{SECRET}\n"))

    with pytest.raises(CredentialsRefused, match="symbolic link"):
        load({}, link)


def test_what_is_no_regular_file_is_refused(tmp_path):
    """A directory, and a pipe that would block for ever."""
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(CredentialsRefused, match="not a regular file"):
            load({}, path)


def test_a_file_of_somebody_else_is_refused(tmp_path, monkeypatch):
    """Only its owner may be us."""
    path = kept(tmp_path, f"{KEY}\n{SECRET}\n")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(CredentialsRefused, match="somebody else"):
        load({}, path)


@pytest.mark.parametrize(
    "text", ["", KEY, f"{KEY} {SECRET}", f"{KEY}\n%{SECRET}", f"{KEY}\n{SECRET}\n{SECRET}", "a" * 5000, f"{KEY}\n=\n"]
)
def test_a_file_that_is_something_else_is_refused_without_showing_it(tmp_path, text):
    """Neither the message nor the traceback quotes what is in the file."""
    path = kept(tmp_path, text)

    with pytest.raises(CredentialsRefused) as caught:
        load({}, path)

    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert KEY not in shown


def test_credentials_show_nothing():
    """Neither as text nor as a pickle."""
    credentials = Credentials(KEY, SECRET)

    assert repr(credentials) == str(credentials) == f"{credentials}" == "Credentials(not shown)"
    with pytest.raises(TypeError):
        pickle.dumps(credentials)


def kept(folder, text):
    """A file that only we can read."""
    path = folder / "credentials"
    path.touch(mode=0o600)
    path.write_text(text)
    return path
