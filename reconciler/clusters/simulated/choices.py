"""Chance from a seed: the same seed makes the same choices in the same order, over any number of commands."""

from __future__ import annotations

import random
from collections.abc import Sequence


class SeededChoices:
    """What the real system leaves to chance, drawn from a seed.

    Attributes:
        made: how many choices were made so far; with the seed it says all that follow.
    """

    def __init__(self, seed: int, made: int = 0) -> None:
        self.seed = seed
        self.made = made

    def server(self, model: str, names: Sequence[str]) -> str:
        """Returns one of the Servers `names`."""
        return self._next().choice(list(names))

    def order(self, names: Sequence[str]) -> Sequence[str]:
        """Returns `names` in some order."""
        shuffled = list(names)
        if len(shuffled) > 1:
            self._next().shuffle(shuffled)
        return shuffled

    def _next(self) -> random.Random:
        self.made += 1
        return random.Random(f"{self.seed} {self.made}")  # noqa: S311 - chance in a simulation guards nothing
