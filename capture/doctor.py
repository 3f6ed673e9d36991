"""The command that says what is installed, and whether it works.

Layer: command line. Imports what fixtape is made of by name, on use, and prints.
"""

import importlib
import platform
import ssl
import sys
from importlib.metadata import version
from typing import Final

import click

from capture import kernels
from capture.cli_support import escaped, reporting_errors

PACKAGES: Final = ("pyarrow", "duckdb", "deltalake", "uvloop")
EXIT_UNUSABLE: Final = 1


@click.command()
@reporting_errors
def doctor() -> None:
    """Say what is installed, and whether it works.

    It prints the versions that count, and of each kernel whether it runs compiled. It ends with 1 if something cannot
    be used at all; a kernel that runs uncompiled is slow, and works.

    \b
    Example:
      fixtape doctor
    """
    system = f"{platform.python_implementation()}, {platform.system()} {platform.machine()}"
    lines = {"python": f"{platform.python_version()} ({system})", "fixtape": version("fixtape")}
    faults = {name: _fault(name) for name in PACKAGES}
    lines |= {name: fault or version(name) for name, fault in faults.items()}
    lines["OpenSSL"] = ssl.OPENSSL_VERSION.removeprefix("OpenSSL ")
    if not ssl.HAS_TLSv1_3:
        faults["OpenSSL"] = lines["OpenSSL"] = f"unusable: {ssl.OPENSSL_VERSION} has no TLS 1.3"
    for it in kernels.status():
        faults[it.name] = _fault(it.name)
        lines[it.name] = faults[it.name] or str(it)
    width = max(map(len, lines))
    for name, text in lines.items():
        click.echo(f"{name:<{width}}  {escaped(text)}")
    if any(faults.values()):
        sys.exit(EXIT_UNUSABLE)


def _fault(name: str) -> str:
    """Return why a module cannot be imported; nothing if it can."""
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - printed: whatever it is, the module is unusable
        return f"unusable: {type(error).__name__}: {error}"
    return ""
