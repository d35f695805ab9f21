"""Assumed: what plans give away and the caches do not show yet."""

from __future__ import annotations

from collections.abc import Hashable, Mapping


class Assumed:
    """Tokens (a node, an address) that plans have given away, with the keys of their objects.

    The plan of an object replaces what its last one assumed, so a token stays until the next pass
    over the object, which reads from caches that hold the writes of this one.
    """

    def __init__(self) -> None:
        self._by_key: dict[str, frozenset[Hashable]] = {}
        self._by_token: dict[Hashable, set[str]] = {}

    def replace(self, key: str, tokens: frozenset[Hashable]) -> None:
        """The object assumes these now, and nothing else."""
        old = self._by_key.get(key, frozenset())
        for token in old - tokens:
            keys = self._by_token[token]
            keys.discard(key)
            if not keys:
                del self._by_token[token]
        for token in tokens - old:
            self._by_token.setdefault(token, set()).add(key)
        if tokens:
            self._by_key[key] = tokens
        else:
            self._by_key.pop(key, None)

    def forget(self, key: str) -> None:
        """The object is gone, and assumes nothing."""
        self.replace(key, frozenset())

    def of(self, key: str) -> frozenset[Hashable]:
        """What the object assumes."""
        return self._by_key.get(key, frozenset())

    def by_others(self, token: Hashable, key: str) -> frozenset[str]:
        """Keys of other objects that assume the token."""
        return frozenset(self._by_token.get(token, ())) - {key}

    def tokens(self) -> Mapping[Hashable, set[str]]:
        """Every token that is assumed, with the keys of those that do; a view."""
        return self._by_token
