"""Dead letters: kept when the bus gives a message up, looked at, sent again or put away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lace_control.app.audit import note, refusals_noted
from lace_control.app.ports import Control, Mutation, UnitOfWork, unit_for
from lace_control.domain.access import Caller, require_admin_of, require_visible_tenant
from lace_control.domain.dead_letters import DeadLetter, DeadLetterState, Search, dead_letter_not_found, settled


async def record_dead_letter(control: Control, letter: DeadLetter) -> None:
    """Keep a letter; the same one again changes nothing."""
    async with control.units.of_system() as uow:
        await uow.dead_letters.add(letter.tenant_id, letter)
        await uow.commit()


async def list_dead_letters(
    control: Control, caller: Caller, search: Search, limit: int, before: tuple[datetime, str] | None
) -> Sequence[DeadLetter]:
    """Letters without their payloads, newest first: the tenant's for who administers it, all for the system's.

    Raises PERMISSION_DENIED, TENANT_NOT_FOUND.
    """
    require_admin_of(caller, caller.tenant_id)
    if caller.is_system_admin:
        async with control.units.of_system() as system:
            return await system.directory.newest_dead_letters(search, limit, before)
    if search.tenant_id:
        require_visible_tenant(caller, search.tenant_id)
    own = replace(search, tenant_id=caller.tenant_id)
    async with control.units.of_tenant(caller.tenant_id) as uow:
        return await uow.dead_letters.newest(caller.tenant_id, own, limit, before)


async def get_dead_letter(control: Control, caller: Caller, dead_letter_id: str) -> DeadLetter:
    """A letter with its payload. Raises PERMISSION_DENIED, DEAD_LETTER_NOT_FOUND."""
    require_admin_of(caller, caller.tenant_id)
    tenant_id = await _tenant_of(control, caller, dead_letter_id)
    async with unit_for(control, caller, tenant_id) as uow:
        return await _lock(uow, tenant_id, dead_letter_id)


async def redrive_dead_letter(
    control: Control, caller: Caller, dead_letter_id: str, mutation: Mutation[DeadLetter]
) -> DeadLetter:
    """Send the message again, by the outbox, to the group that failed on it.

    Raises PERMISSION_DENIED, DEAD_LETTER_NOT_FOUND, DEAD_LETTER_SETTLED, IDEMPOTENCY_*.
    """
    return await _settle(control, caller, dead_letter_id, DeadLetterState.REDRIVEN, "", mutation)


async def discard_dead_letter(
    control: Control, caller: Caller, dead_letter_id: str, reason: str, mutation: Mutation[DeadLetter]
) -> DeadLetter:
    """Put the message away. Raises like `redrive_dead_letter`."""
    return await _settle(control, caller, dead_letter_id, DeadLetterState.DISCARDED, reason, mutation)


async def _settle(
    control: Control,
    caller: Caller,
    dead_letter_id: str,
    state: DeadLetterState,
    reason: str,
    mutation: Mutation[DeadLetter],
) -> DeadLetter:
    action = "dead_letter.redrive" if state is DeadLetterState.REDRIVEN else "dead_letter.discard"
    async with refusals_noted(control, caller, action, dead_letter_id):
        require_admin_of(caller, caller.tenant_id)
        tenant_id = await _tenant_of(control, caller, dead_letter_id)
        async with unit_for(control, caller, tenant_id) as uow:

            async def effect() -> DeadLetter:
                letter = await _lock(uow, tenant_id, dead_letter_id)
                changed = settled(letter, state, caller.principal_id, control.now())
                await uow.dead_letters.settle(tenant_id, changed)
                if state is DeadLetterState.REDRIVEN:
                    await uow.dead_letters.send_again(tenant_id, letter)
                details = {"topic": letter.topic, "group": letter.group, "event_id": letter.event_id, "reason": reason}
                await note(control, uow, caller, action, dead_letter_id, details)
                return changed.brief()

            done = await uow.once(mutation, effect)
            await uow.commit()
    return done


async def _tenant_of(control: Control, caller: Caller, dead_letter_id: str) -> str:
    if not caller.is_system_admin:
        return caller.tenant_id
    async with control.units.of_system() as uow:
        tenant_id = await uow.directory.tenant_of_dead_letter(dead_letter_id)
    if tenant_id is None:
        raise dead_letter_not_found(dead_letter_id)
    return tenant_id


async def _lock(uow: UnitOfWork, tenant_id: str, dead_letter_id: str) -> DeadLetter:
    letter = await uow.dead_letters.lock(tenant_id, dead_letter_id)
    if letter is None:
        raise dead_letter_not_found(dead_letter_id)
    return letter
