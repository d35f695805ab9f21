"""Store: what is kept of the objects of one kind, with indexes and listeners for its changes."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Hashable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Set,
    ValuesView,
)
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
_Version: TypeAlias = tuple[int, str]
"""The number of a resourceVersion, and the uid."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One object's change.

    Attributes:
        old: ``None`` = it is new.
        new: ``None`` = it is gone.
        ours: the answer to a change that this process made.
    """

    key: str
    old: T | None
    new: T | None
    ours: bool = False


def key_of(raw: dict[str, Any]) -> str:
    """``namespace/name``, or ``name`` where there is no namespace."""
    meta = raw["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


def version_number(resource_version: str | None) -> int:
    """A resourceVersion as a number that grows; 0 = it is none, so its age is unknown."""
    decimal = resource_version is not None and resource_version.isdecimal()
    return int(resource_version) if resource_version and decimal else 0


class Store(Generic[T]):
    """The projections of a kind's objects, by key.

    ``project`` cuts an object down to what is needed; ``None`` = not of interest, so absent.
    Listeners are called at once, in the order they subscribed, and only where projections differ.
    What ``project`` or a listener raises comes out of the call that brought the object.
    """

    def __init__(self, project: Callable[[dict[str, Any]], T | None]) -> None:
        self._project = project
        self._values: dict[str, T] = {}
        self._versions: dict[str, _Version] = {}
        # Held just as well, but not shown yet by the list that is under way.
        self._unseen: dict[str, _Version] = {}
        self._listeners: list[Callable[[Change[T]], None]] = []
        self._reached = 0
        self._newest = 0
        self.synced = False
        """Whether the store has been complete at least once."""

    def get(self, key: str) -> T | None:
        """The object's projection; ``None`` = absent."""
        return self._values.get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> KeysView[str]:
        """All keys; a view."""
        return self._values.keys()

    def values(self) -> ValuesView[T]:
        """All projections; a view."""
        return self._values.values()

    def items(self) -> ItemsView[str, T]:
        """All keys with their projections; a view."""
        return self._values.items()

    @property
    def by_key(self) -> Mapping[str, T]:
        """All projections by key; a view that cannot be written to."""
        return MappingProxyType(self._values)

    def version(self, key: str) -> int:
        """The number of the object's resourceVersion; 0 = absent, or its age is unknown."""
        held = self._held(key)
        return 0 if held is None else held[0]

    @property
    def newest_version(self) -> int:
        """The highest :meth:`version` of what was held since it last went back; 0 = nothing was."""
        # Kept up: to look through fifty thousand objects holds everybody else up for 20 ms.
        return self._newest

    @property
    def shown_version(self) -> int:
        """The version up to which everything was shown, by a list or a watch; 0 = none yet."""
        return self._reached

    def subscribe(self, listener: Callable[[Change[T]], None]) -> None:
        """Call ``listener`` for every change from now on."""
        self._listeners.append(listener)

    def apply(self, raw: dict[str, Any], *, even_older: bool = False, ours: bool = False) -> None:
        """Take an object as it is now, unless the one held is newer and that matters.

        ``ours``: see :class:`Change`.
        """
        key, meta = key_of(raw), raw["metadata"]
        version = version_number(meta.get("resourceVersion"))
        if 0 < version < self.version(key) and not even_older:
            return
        try:
            new = self._project(raw)
        except Exception as error:
            error.add_note(f"while taking in {key}")
            raise
        if new is None:
            self.forget(key)
            return
        old = self._values.get(key)
        self._hold(key, (version, meta.get("uid", "")))
        self._newest = max(self._newest, version)
        if old != new:
            self._values[key] = new
            self._notify(Change(key, old, new, ours))

    def take_shown(self, raw: dict[str, Any]) -> None:
        """Take what a watch shows, unless it is held: each write of our own is answered, too."""
        version = version_number(raw["metadata"].get("resourceVersion"))
        shown = (version, raw["metadata"].get("uid", ""))
        if not version or self._held(key_of(raw)) != shown:
            self.apply(raw)

    def update_known(self, raw: dict[str, Any]) -> None:
        """Take the answer to a change of ours, if that very object is still held.

        The watch may have shown meanwhile that the object is gone, or that another one has its
        name: neither is undone by a late answer.
        """
        held = self._held(key_of(raw))
        if held is not None and held[1] == raw["metadata"].get("uid", ""):
            self.apply(raw, ours=True)

    def take_created(self, raw: dict[str, Any]) -> None:
        """Take the answer to a create of ours, unless the watch is past it already.

        What the watch has passed it has shown, and perhaps shown as gone again.
        """
        version = version_number(raw["metadata"].get("resourceVersion"))
        if version > self._reached:
            self.apply(raw)

    def reached(self, resource_version: str | None) -> None:
        """The watch has shown everything up to this version."""
        self._reached = max(self._reached, version_number(resource_version))

    def begin_list(self) -> None:
        """A list begins: nothing of what is held has been shown by it."""
        # No copy: to touch fifty thousand keys holds everybody else up for 100 ms. Some are left
        # where the last list broke off.
        self._unseen = self._unseen | self._versions if self._unseen else self._versions
        self._versions = {}

    def show(self, key: str) -> None:
        """The list under way shows it."""
        held = self._unseen.pop(key, None)
        if held is not None:
            self._versions[key] = held

    @property
    def unseen(self) -> tuple[str, ...]:
        """The keys that the list under way has not shown."""
        return tuple(self._unseen)

    def end_list(self, resource_version: str | None, *, set_back: bool = False) -> None:
        """A whole list has shown everything up to this version; what is held stays.

        With ``set_back`` that lies back in time: what was held before means nothing any more.
        """
        self._versions |= self._unseen
        self._unseen = {}
        self._reached = version_number(resource_version)
        self.synced = True
        if set_back:
            self._newest = max(self._versions.values(), default=(0, ""))[0]

    def forget(self, key: str, uid: str = "") -> None:
        """The object is gone; with ``uid`` only that very one: a successor stays."""
        held = self._held(key)
        if held is None or (uid and held[1] and held[1] != uid):
            return
        self._versions.pop(key, None)
        self._unseen.pop(key, None)
        old = self._values.pop(key, None)
        if old is not None:
            self._notify(Change(key, old, None))

    def _held(self, key: str) -> _Version | None:
        return self._versions.get(key) or self._unseen.get(key)

    def _hold(self, key: str, version: _Version) -> None:
        place = self._unseen if key in self._unseen else self._versions
        # A list shows most as they are: equal ones are not replaced, for the garbage collection.
        if place.get(key) != version:
            place[key] = version

    def replace_all(self, raws: Iterable[dict[str, Any]]) -> None:
        """Take the answer to a list: these are all objects there are."""
        listing = Listing(self)
        listing.add(raws)
        listing.finish()

    def _notify(self, change: Change[T]) -> None:
        for listener in self._listeners:
            listener(change)


class Listing(Generic[T]):
    """A list of a kind, taken into its store page by page; make it before the first page is asked.

    One at a time. One that breaks off changes nothing of what the next one finds.

    A list shows all objects at one moment, its resourceVersion. What the store holds from
    after that moment (answers to our own writes) stays. A moment before what was held when the
    list was asked for means that the API server was set back to a backup: then the list counts
    whole, since the versions from before mean nothing any more. So does an object that the list
    shows older than it is held from before that moment.
    """

    def __init__(self, store: Store[T]) -> None:
        self._store = store
        # Also what was shown and is held no more: a quiet kind's objects may all be older.
        self._newest_before = max(store.newest_version, store.shown_version)
        store.begin_list()
        self._moment = 0
        self._version = ""
        self._set_back = False

    def add(self, raws: Iterable[dict[str, Any]], resource_version: str = "") -> None:
        """Take one page, with the resourceVersion of the list; ``""`` = not known."""
        self._version = resource_version
        self._moment = version_number(resource_version)
        self._set_back = 0 < self._moment < self._newest_before
        for raw in raws:
            key = key_of(raw)
            self._store.show(key)
            overruled = self._set_back or self._store.version(key) <= self._moment
            self._store.apply(raw, even_older=overruled)

    def finish(self) -> None:
        """All pages are there: what none of them showed is gone, and the store is synced."""
        for key in self._store.unseen:
            is_later = 0 < self._moment < self._store.version(key)
            if self._set_back or not is_later:
                self._store.forget(key)
        self._store.end_list(self._version, set_back=self._set_back)


class _One(Set[str]):
    """A set of one key; most have no more, and a set of Python's takes five times the memory."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    def __contains__(self, key: object) -> bool:
        return key == self.key

    def __iter__(self) -> Iterator[str]:
        return iter((self.key,))

    def __len__(self) -> int:
        return 1

    @classmethod
    def _from_iterable(cls, keys: Iterable[Any]) -> Set[Any]:
        """What operators with other sets return."""
        return frozenset(keys)


class Index(Generic[T]):
    """Keys of a store's objects by something else that they have; kept up with every change."""

    def __init__(self, store: Store[T], keys_of: Callable[[T], Iterable[Hashable]]) -> None:
        self._keys_of = keys_of
        self._keys: dict[Hashable, set[str] | _One] = {}
        for key, value in store.items():
            self._changed(Change(key, None, value))
        store.subscribe(self._changed)

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, index_key: Hashable) -> frozenset[str]:
        """Keys of the objects that have it."""
        return frozenset(self._keys.get(index_key, ()))

    @property
    def by_index_key(self) -> Mapping[Hashable, Set[str]]:
        """Keys of the objects by every index key that some object has; a view."""
        return MappingProxyType(self._keys)

    def _changed(self, change: Change[T]) -> None:
        old = set(self._keys_of(change.old)) if change.old is not None else set()
        new = set(self._keys_of(change.new)) if change.new is not None else set()
        for index_key in old - new:
            self._discard(index_key, change.key)
        for index_key in new - old:
            self._add(index_key, change.key)

    def _add(self, index_key: Hashable, key: str) -> None:
        keys = self._keys.get(index_key)
        if keys is None:
            self._keys[index_key] = _One(key)
        elif isinstance(keys, _One):
            self._keys[index_key] = {keys.key, key}
        else:
            keys.add(key)

    def _discard(self, index_key: Hashable, key: str) -> None:
        keys = self._keys[index_key]
        if not isinstance(keys, _One):
            keys.discard(key)
        if isinstance(keys, _One) or not keys:
            del self._keys[index_key]
