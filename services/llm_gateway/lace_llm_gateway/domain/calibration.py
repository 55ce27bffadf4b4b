"""What providers report of the tokens they counted, turned into a factor that keeps later counts from being too low."""

from __future__ import annotations

from fractions import Fraction

_MARGIN = Fraction(102, 100)


class Calibration:
    """A factor for each model, at least one, raised by every report that is higher than what was counted here.

    It is never lowered: a hundred ordinary prompts say nothing about one that was written to be counted wrongly. A
    report of more tokens than the request has bytes is not believed, so no answer can make a model unusable.
    """

    def __init__(self) -> None:
        self._factors: dict[str, Fraction] = {}

    def observe(self, model: str, counted: int, reported: int, most: int) -> None:
        """The provider counted `reported` where we counted `counted`; `most` is a token for every byte."""
        if not counted < reported <= most or counted <= 0:
            return
        self._factors[model] = max(self.factor(model), Fraction(reported, counted) * _MARGIN)

    def factor(self, model: str) -> Fraction:
        """By what the model's counts are to be raised."""
        return self._factors.get(model, Fraction(1))

    def raised(self, model: str, tokens: int) -> int:
        """The count with the factor, rounded up."""
        factor = self._factors.get(model)
        return tokens if factor is None else -int(-tokens * factor // 1)
