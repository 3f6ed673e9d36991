"""Notebooks run without Jupyter: cells of Python in order, and what each shows."""

import ast
import contextlib
import io
import json
from typing import Any


def cells(path):
    """The cells of a notebook: kind, source and the text that is stored as shown."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        shown = "".join(
            "".join(output.get("text") or output["data"]["text/plain"]) for output in cell.get("outputs", ())
        )
        yield cell["cell_type"], "".join(cell["source"]), shown


def show(source: str, names: dict[str, Any]) -> str:
    """Run a cell; return what it prints, then its last expression as text."""
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - a notebook of ours
        value = None if last is None else eval(compile(last, "cell", "eval"), names)  # noqa: S307
    return printed.getvalue() + ("" if value is None else repr(value))
