"""Dead letters in memory, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from lace_control.domain.dead_letters import DeadLetter, Search


class MemoryDeadLetterRepository:
    """Letters by id; `sent_again` are those that were put into the outbox."""

    def __init__(self, rows: dict[str, DeadLetter], sent_again: list[DeadLetter]) -> None:
        self._rows = rows
        self._sent_again = sent_again

    async def add(self, tenant_id: str, letter: DeadLetter) -> None:
        """Keep a letter; the same one again changes nothing."""
        self._rows.setdefault(letter.dead_letter_id, letter)

    async def lock(self, tenant_id: str, dead_letter_id: str) -> DeadLetter | None:
        """The letter, if the tenant has it."""
        letter = self._rows.get(dead_letter_id)
        return letter if letter and letter.tenant_id == tenant_id else None

    async def settle(self, tenant_id: str, letter: DeadLetter) -> None:
        """Keep what became of the letter."""
        self._rows[letter.dead_letter_id] = letter

    async def send_again(self, tenant_id: str, letter: DeadLetter) -> None:
        """Put the message into the outbox."""
        self._sent_again.append(letter)

    async def newest(
        self, tenant_id: str, search: Search, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[DeadLetter]:
        """Letters of the tenant without their payloads, newest first."""
        own = (letter for letter in self._rows.values() if letter.tenant_id == tenant_id)
        return newest(own, search, limit, before)


def newest(
    letters: Iterable[DeadLetter], search: Search, limit: int, before: tuple[datetime, str] | None
) -> Sequence[DeadLetter]:
    """Those that are looked for, without their payloads, newest first."""
    found = [
        letter.brief()
        for letter in letters
        if search.topic in ("", letter.topic)
        and search.state in (None, letter.state)
        and search.tenant_id in ("", letter.tenant_id)
        and (before is None or (letter.died_at, letter.dead_letter_id) < before)
    ]
    return sorted(found, key=lambda letter: (letter.died_at, letter.dead_letter_id), reverse=True)[:limit]
