"""What a tunable is: its type and bounds, how its value is checked, and how it is read from the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lace_core.errors import Detail, LaceError, Reason
from lace_core.pipeline import STEP_NAMES

Kind = Literal["bool", "int", "str", "list", "map"]
Scope = Literal["process", "system", "tenant", "user", "request"]
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")


@dataclass(frozen=True)
class Setting:
    """One tunable: its key, type, default, bounds, the scopes that may set it, and what it does (with its unit).

    A map gives whole numbers by name; its bounds are those of the numbers, its choices the names. `item` raises
    LaceError for what can be no item of a list; `over` lays a layer's list over the weaker one's instead.
    """

    key: str
    kind: Kind
    default: Any
    description: str
    scopes: tuple[Scope, ...]
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    item: Callable[[str], object] | None = None
    over: Callable[[Sequence[str], Sequence[str]], list[str]] | None = None

    @property
    def environment_variable(self) -> str:
        """LACE_ and the key in upper case, dots as underscores."""
        return "LACE_" + self.key.upper().replace(".", "_")

    def check(self, value: Any) -> Any:
        """The value as it is kept; raises LaceError SETTING_INVALID."""
        problem = self._problem(value)
        if problem:
            raise LaceError(Reason.SETTING_INVALID, f"{self.key} {problem}.", details=[Detail(self.key, problem)])
        if self.item is not None:
            for item in value:
                self._check_item(self.item, item)
        if self.kind == "map":
            return {name: int(number) for name, number in sorted(value.items())}
        return int(value) if self.kind == "int" else list(value) if self.kind == "list" else value

    def parse(self, text: str) -> Any:
        """The value of an environment variable's text; lists are comma separated, and maps like a=1,b=2.

        Raises like `check`.
        """
        raw: Any = text
        if self.kind == "bool":
            raw = {
                "1": True,
                "true": True,
                "yes": True,
                "on": True,
                "0": False,
                "false": False,
                "no": False,
                "off": False,
            }.get(text.strip().lower(), text)
        elif self.kind == "int":
            raw = int(text.strip()) if _INTEGER.fullmatch(text.strip()) else text
        elif self.kind == "list":
            raw = [part.strip() for part in text.split(",") if part.strip()]
        elif self.kind == "map":
            raw = dict(_named_number(part) for part in text.split(",") if part.strip())
        return self.check(raw)

    def _check_item(self, check: Callable[[str], object], item: str) -> None:
        try:
            check(item)
        except LaceError as error:
            raise LaceError(error.reason, error.message, details=[Detail(self.key, error.message)]) from None

    def _problem(self, value: Any) -> str:
        if self.kind == "bool":
            return "" if isinstance(value, bool) else "must be true or false"
        if self.kind == "int":
            return self._number_problem(value)
        if self.kind == "str":
            if not isinstance(value, str):
                return "must be a text"
            return "" if not self.choices or value in self.choices else f"must be one of {', '.join(self.choices)}"
        if self.kind == "map":
            return self._map_problem(value)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            return "must be a list of texts"
        unknown = [item for item in value if self.choices and item not in self.choices]
        return f"must hold only {', '.join(self.choices)}" if unknown else ""

    def _map_problem(self, value: Any) -> str:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            return "must give whole numbers by name"
        if unknown := sorted(set(value) - set(self.choices)):
            return f"has no {', '.join(unknown)}; it takes {', '.join(self.choices)}"
        problems = ((name, self._number_problem(number)) for name, number in sorted(value.items()))
        return next((f"({name}) {problem}" for name, problem in problems if problem), "")

    def _number_problem(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
            return "must be a whole number"
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum}"
        return ""


def _named_number(part: str) -> tuple[str, Any]:
    name, _, number = (piece.strip() for piece in part.partition("="))
    return name, int(number) if _INTEGER.fullmatch(number) else number


ALL: tuple[Scope, ...] = ("system", "tenant", "user", "request")
ADMIN: tuple[Scope, ...] = ("system", "tenant")
PROCESS: tuple[Scope, ...] = ("process",)


def integer(key: str, default: int, low: int, high: int, scopes: tuple[Scope, ...], description: str) -> Setting:
    """A whole number."""
    return Setting(key, "int", default, description, scopes, minimum=low, maximum=high)


def text(key: str, default: str, scopes: tuple[Scope, ...], description: str, *choices: str) -> Setting:
    """A text, one of the choices where there are any."""
    return Setting(key, "str", default, description, scopes, choices=choices)


def per_step(key: str, high: int, description: str) -> Setting:
    """Whole numbers by kind of step."""
    return Setting(key, "map", {}, description, ALL, minimum=1, maximum=high, choices=STEP_NAMES)


def secret(key: str, description: str) -> Setting:
    """A text that is never shown."""
    return Setting(key, "str", "", description, PROCESS, secret=True)
