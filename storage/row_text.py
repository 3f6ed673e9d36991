"""Rows of a command as text: aligned for people, CSV and JSON for programs.

Layer: storage, command line; below the commands. Imports nothing heavy.
Source: style guide section 8.
"""

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence

import click

Row = Mapping[str, str | int | None]

format_option = click.option(
    "--format", "form", type=click.Choice(("table", "csv", "json")), default="table", help="How rows come out."
)


def rows_text(rows: Sequence[Row], columns: Sequence[str], form: str, *, numeric: Collection[str] = ()) -> str:
    """Return rows in a form, each with every column. numeric: columns that a table aligns to the right."""
    if form == "json":
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    head: Row = {column: column.upper() for column in columns}
    cells = [["-" if row[column] is None else str(row[column]) for column in columns] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [column in numeric for column in columns]
    return "".join("  ".join(map(_aligned, line, widths, right)).rstrip() + "\n" for line in cells)


def _aligned(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)
