"""Tables as versions of fixtape wrote them that left the log to deltalake."""

import json
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.transaction import AddAction

from storage.files import WrittenFile
from storage.schemas import PARTITION_COLUMN, delta_schema

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def by_deltalake(path: Path, name: str) -> None:
    """Make a table."""
    path.mkdir(parents=True)
    DeltaTable.create(
        path,
        DeltaSchema.from_arrow(delta_schema(name)),
        mode="error",
        partition_by=[PARTITION_COLUMN],
        name=name,
        configuration={"fixtape.schemaVersion": "1"},
        raise_if_key_not_exists=False,
        post_commithook_properties=_NO_HOOKS,
    )


def commit_by_deltalake(path: Path, file: WrittenFile, *, app_id: str, version: int) -> None:
    """Add a file as a writer's batch."""
    table = DeltaTable(path)
    ranges = {column: extent for column, extent in file.ranges.items() if extent.lowest is not None}
    statistics = {
        "numRecords": file.rows,
        "minValues": {column: extent.lowest for column, extent in ranges.items()},
        "maxValues": {column: extent.highest for column, extent in ranges.items()},
        "nullCount": dict(file.null_counts),
    }
    add = AddAction(
        file.path,
        file.size,
        {PARTITION_COLUMN: file.date},
        modification_time=0,
        data_change=True,
        stats=json.dumps(statistics),
    )
    table.create_write_transaction(
        [add],
        mode="append",
        schema=table.schema(),
        partition_by=[PARTITION_COLUMN],
        commit_properties=CommitProperties(app_transactions=[Transaction(app_id, version, 0)]),
        post_commithook_properties=_NO_HOOKS,
    )
