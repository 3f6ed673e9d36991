"""Spark reads a recorded lake by the files that its logs list: counts and sums of every integer are DuckDB's."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from crashed import make_tapes
from deltalake import DeltaTable

import fixtape
from storage.schemas import TABLES

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

HERE = Path(__file__).parent


def test_spark_counts_and_sums_as_duckdb_does(tmp_path):
    """In another time zone, for every table that has rows."""
    python = os.environ.get("FIXTAPE_SPARK_PYTHON")
    if not python:
        pytest.skip("FIXTAPE_SPARK_PYTHON is not set: make test-spark")
    root, _ = make_tapes(tmp_path)
    tables = {name: DeltaTable(str(root / "lake" / name)).file_uris() for name in TABLES}
    asked = {name: files for name, files in tables.items() if files}

    done = subprocess.run(
        [python, str(HERE / "spark_reader.py")],
        check=False,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)

    assert {"book_changes", "messages", "quotes", "events"} <= answers.keys()
    with fixtape.open(root) as tape:
        for name, (count, sums) in answers.items():
            columns = ", ".join(f"sum({column})" for column in sums)
            query = f"SELECT count(*), {columns} FROM raw.{name}"  # noqa: S608 - names of ours
            (ours,) = tape.sql(query).fetchall()
            assert (count, *sums.values()) == tuple(int(it or 0) for it in ours), name
            assert count > 0
