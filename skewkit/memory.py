"""What took long to compute and is asked for again, kept up to a number of bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

MOST = 1 << 30  # bytes: the running sums of half a million events are 16 million


class Memory:
    """Results by what they depend on. Above ``most`` bytes, what was asked for longest ago is forgotten.

    ``size`` says how many bytes a result takes; the newest is kept however large it is.
    """

    def __init__(self, most: int = MOST, size: Callable[[Any], int] = lambda result: result.nbytes):
        self.most, self.size = most, size
        self.held = 0
        self._kept: dict[Hashable, Any] = {}

    def __len__(self):
        return len(self._kept)

    def get(self, mark: Hashable, make: Callable[[], Any]) -> Any:
        """The result of this mark, made when it is not there."""
        if mark in self._kept:
            self._kept[mark] = self._kept.pop(mark)  # a dictionary keeps the order: the newest asked for comes last
            return self._kept[mark]
        self._kept[mark] = result = make()
        self.held += self.size(result)
        while self.held > self.most and len(self._kept) > 1:
            self.held -= self.size(self._kept.pop(next(iter(self._kept))))
        return result
