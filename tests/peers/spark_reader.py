"""Spark's side of test_spark: reads the files that are named on standard input, and prints counts and sums.

Runs in an environment of its own (tests/peers/requirements-spark.txt), which has Java's 17 beside it.
"""

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import count, lit
from pyspark.sql.functions import sum as total


def main():
    """Answer one question for each table."""
    asked = json.load(sys.stdin)
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "America/New_York")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    answers = {}
    for table, files in asked.items():
        frame = spark.read.parquet(*files)
        names = sorted(name for name, kind in frame.dtypes if kind in {"tinyint", "smallint", "int", "bigint"})
        sums = (total(frame[name].cast("decimal(38,0)")) for name in names)
        count_all, *found = frame.agg(count(lit(1)), *sums).first()
        answers[table] = [count_all, {name: int(it or 0) for name, it in zip(names, found, strict=True)}]
    spark.stop()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
