"""A tape's place, a path or an address, and the lake there.

Layer: storage, above stores and lake. Source: design section 2.
Left to others: what an address says (`storage.object_settings`), where a tape notes its lake (`storage.lake_place`).
"""

from pathlib import Path

from storage.errors import LakeMissing
from storage.lake import Lake
from storage.lake_place import place_of
from storage.object_settings import is_address
from storage.object_store import open_store
from storage.stores import LocalStore, Store
from storage.tape_layout import LAKE

__all__ = ["is_address", "lake_store", "open_lake", "own_lake", "store_of"]


def store_of(place: Path | str) -> Store:
    """Return what is at a place as a store; it need not be there yet. Errors: StoreUnusable, StoreDenied."""
    return open_store(place) if isinstance(place, str) and is_address(place) else LocalStore(Path(place))


def lake_store(place: Path | str) -> Store:
    """Return where the lake of a tape at a place stands, or the place itself where there is none in it.

    Errors: LakeDamaged where the tape's note of it cannot be read; StoreError.
    """
    store = store_of(place)
    if not isinstance(store, LocalStore):
        inner = store.below(LAKE)
        return store if next(inner.list(), None) is None else inner
    noted = place_of(store.path).store
    return store if isinstance(noted, LocalStore) and not noted.path.is_dir() else noted


def own_lake(root: Path) -> Store:
    """Return where the lake of a tape stands, to be written by whoever holds the tape's lock.

    Errors: as of `lake_store`; LakeTaken where the address is another tape's.
    """
    place = place_of(root)
    place.claim()
    return place.store


def open_lake(place: Path | str) -> Lake:
    """Return the lake of a tape at a place, or the lake that is the place itself, for reading.

    Errors: LakeMissing; LakeNewer; LakeDamaged; StoreError.
    """
    store = store_of(place)
    if isinstance(store, LocalStore):
        return Lake.open(lake_store(place))
    try:
        return Lake.open(store.below(LAKE))
    except LakeMissing:
        return Lake.open(store)
