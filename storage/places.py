"""A tape's place, a path or an address, and the lake there.

Layer: storage, above stores and lake. Source: design section 2.
Left to others: what an address says (`storage.object_settings`).
"""

from pathlib import Path

from storage.errors import LakeMissing
from storage.lake import Lake
from storage.object_settings import is_address
from storage.object_store import open_store
from storage.stores import LocalStore, Store
from storage.tape_layout import LAKE

__all__ = ["is_address", "open_lake", "store_of"]


def store_of(place: Path | str) -> Store:
    """Return what is at a place as a store; it need not be there yet. Errors: StoreUnusable, StoreDenied."""
    return open_store(place) if isinstance(place, str) and is_address(place) else LocalStore(Path(place))


def open_lake(place: Path | str) -> Lake:
    """Return the lake of a tape at a place, or the lake that is the place itself, for reading.

    Errors: LakeMissing; LakeNewer; LakeDamaged; StoreError.
    """
    store = store_of(place)
    if isinstance(store, LocalStore):
        inner = store.path / LAKE
        return Lake.open(inner if inner.is_dir() else store.path)
    try:
        return Lake.open(store.below(LAKE))
    except LakeMissing:
        return Lake.open(store)
