"""Brings an old defect back for a moment, to show that the test named after it would see it."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import CodeType, FunctionType
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])
Mutant = Callable[[], AbstractContextManager[None]]
_FAILED = (Exception, pytest.fail.Exception)  # however the defect shows


def changed(function: Any, old: str, new: str) -> Mutant:
    """A mutant: the function with one place of its source changed, for whoever holds it, as its code is exchanged.

    `function` may be a property. The place must be there exactly once: who rewrites the function rewrites the mutant.
    """

    @contextmanager
    def alive() -> Iterator[None]:
        target = _plain(function)
        sound, target.__code__ = target.__code__, _mutated(target, old, new)
        try:
            yield
        finally:
            target.__code__ = sound

    return alive


def replaced(holder: Any, name: str, value: Any) -> Mutant:
    """A mutant: another value under the name of a module, a class or a mapping; a callable is given the old value."""

    @contextmanager
    def alive() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if isinstance(holder, dict):
                patch.setitem(holder, name, value(holder[name]) if callable(value) else value)
            else:
                patch.setattr(holder, name, value(getattr(holder, name)) if callable(value) else value)
            yield

    return alive


def without(holder: Any, name: str, part: str, instead: str = "") -> Mutant:
    """A mutant: a text of a module, as SQL, without one part of it."""

    def cut(text: str) -> str:
        assert text.count(part) == 1, f"{name} holds {part!r} {text.count(part)} times"
        return text.replace(part, instead)

    return replaced(holder, name, cut)


def regression(*mutants: Mutant) -> Callable[[Test], Test]:
    """A test that must hold of the code as it is, and must fail under each of the mutants."""
    assert mutants

    def decorate(test: Test) -> Test:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def shown_async(*args: Any, **values: Any) -> None:
                await test(*args, **values)
                for mutant in mutants:
                    with mutant(), pytest.raises(_FAILED):
                        await test(*args, **values)

            return shown_async  # type: ignore[return-value]

        @functools.wraps(test)
        def shown(*args: Any, **values: Any) -> None:
            test(*args, **values)
            for mutant in mutants:
                with mutant(), pytest.raises(_FAILED):
                    test(*args, **values)

        return shown  # type: ignore[return-value]

    return decorate


def _plain(function: Any) -> FunctionType:
    if isinstance(function, property):
        function = function.fget
    found = inspect.unwrap(getattr(function, "__func__", function))
    assert isinstance(found, FunctionType)
    return found


def _mutated(function: FunctionType, old: str, new: str) -> CodeType:
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__qualname__} holds {old!r} {source.count(old)} times"
    free = " = ".join([*function.__code__.co_freevars, "None"])
    inner = textwrap.indent(source.replace(old, new), "    ")
    own = f"    global {function.__name__}\n    {free}\n"  # a name that it shares with another function is the other's
    module = f"from __future__ import annotations\ndef _around():\n{own}{inner}"
    around = _code_in(compile(module, f"<mutant of {function.__qualname__}>", "exec"), "_around")
    return _code_in(around, function.__name__)


def _code_in(code: CodeType, name: str) -> CodeType:
    return next(part for part in code.co_consts if isinstance(part, CodeType) and part.co_name == name)
