"""`fixtape incident`: list, show and examine what is kept of books that disagreed with the venue.

Layer: storage, highest. Parses, calls, prints.
Source: style section 8.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from capture.cli_support import Commands, escaped, reporting_errors
from storage.row_text import format_option, rows_text

if TYPE_CHECKING:
    from storage.incidents.bundle import Incident

LS_COLUMNS: Final = ("incident", "symbol", "msg_seq_num", "cause", "detail", "healed_after_ms", "levels_differing")


@click.group(cls=Commands)
def incident() -> None:
    """Look into incidents: books that disagreed with the venue's checksum."""


@incident.command("ls")
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@format_option
@reporting_errors
def list_incidents(root: Path, form: str) -> None:
    """List the incidents of a tape, oldest first.

    \b
    Example:
      fixtape incident ls ./tape
    """
    from storage.incidents.bundle import incident_paths, read_incident

    rows = [_row(path, read_incident(path)) for path in incident_paths(root)]
    if form != "table":
        click.echo(rows_text(rows, LS_COLUMNS, form), nl=False)
    elif rows:
        from storage.incidents.show import list_text

        click.echo(list_text(LS_COLUMNS, rows), nl=False)
    else:
        click.echo("no incidents", err=True)


@incident.command("show")
@click.argument("path", metavar="INCIDENT", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", help="How it comes out.")
@reporting_errors
def show_incident(path: Path, form: str) -> None:
    """Print one incident: the cause and its evidence, both books, what their checksums are made of, and the frames.

    \b
    Example:
      fixtape incident show ./tape/incidents/20260301T120000.000000000Z-1
    """
    from storage.incidents.show import Shown

    shown = Shown.of(path)
    if form == "json":
        click.echo(shown.json_text())
    else:
        shown.print()


@incident.command("examine")
@click.argument("path", metavar="INCIDENT", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--journal",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Tape or journal that it is about.  [default: the tape that it is in]",
)
@reporting_errors
def examine_incident(path: Path, root: Path | None) -> None:
    """Look at the journal again for one incident, however far back its book began, and write down what is found.

    A recorder reads no more than 512 MiB of journal for an incident; this reads whatever there is.

    \b
    Example:
      fixtape incident examine ./tape/incidents/20260301T120000.000000000Z-1
    """
    from storage.incidents.examine import examine_again

    found = examine_again(path, root or path.resolve().parent.parent)
    click.echo(f"{' '.join(filter(None, (found.cause, found.detail)))}")
    for words in found.evidence:
        click.echo(escaped(words))


def _row(path: Path, found: "Incident") -> dict[str, str | int | None]:
    healed = found.healed
    return {
        "incident": path.name,
        "symbol": escaped(found.symbol),
        "msg_seq_num": found.at.msg_seq_num,
        "cause": found.cause or None,
        "detail": found.detail or None,
        "healed_after_ms": None if healed is None else healed.after_ms,
        "levels_differing": None if healed is None else healed.levels_differing,
    }
