"""Use case: answer an order to compile with one recorded attempt, made or failed, and tell who waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from lace_compiler.app.ports import Clock, Files, Units, Work, Worker
from lace_compiler.domain.attempt import Cause, Compiled, Order, Origin, Transformation
from lace_compiler.domain.settings import CompileSettings, limits_of, settings_of
from lace_compiler.domain.target import target_of
from lace_compiler.domain.version import COMPILER_VERSION
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError
from lace_core.ids import derive


@dataclass(frozen=True, slots=True)
class Compiling:
    """What the use case works with."""

    units: Units
    files: Files
    worker: Worker
    clock: Clock


async def compile_target(using: Compiling, cause: Cause, order: Order) -> None:
    """Compiles outside of any transaction, then records and tells of the attempt in one.

    A second delivery changes nothing. Raises only what may pass by itself (LaceError with `retryable`, and errors
    of the database): the message is then delivered again. Everything else is a failed attempt.
    """
    if not await _is_due(using, cause):
        return
    started_at = using.clock()
    compiled, origin = await _attempt(using, order)
    async with using.units.of_tenant(order.tenant_id) as unit:
        if not await unit.claim(cause):
            return
        number = await unit.compiled.next_attempt(
            order.tenant_id, order.artifact_id, order.revision_id, compiled.target
        )
        recorded = replace(compiled, attempt=number)
        await unit.compiled.add(order.tenant_id, order.run_id, order.job_id, recorded)
        await unit.tell(Transformation(cause, order, recorded, origin, started_at))
        await unit.commit()


async def _is_due(using: Compiling, cause: Cause) -> bool:
    """Looks before the work, so that a second delivery costs no second compilation; the claim is undone again."""
    async with using.units.of_tenant(cause.tenant_id) as unit:
        return await unit.claim(cause)


async def _attempt(using: Compiling, order: Order) -> tuple[Compiled, Origin]:
    try:
        return await _compile(using, order)
    except LaceError as error:
        if error.retryable:
            raise
        return _failed(order, error, using.clock()), Origin()


async def _compile(using: Compiling, order: Order) -> tuple[Compiled, Origin]:
    target = target_of(order.target)
    settings, limits = settings_of(order.settings), limits_of(order.settings)
    ir = await using.files.read_ir(order.ir_uri, order.ir_sha256)
    work = Work(ir, order.revision_id, order.ir_hash, target, settings, order.verification)
    result = await using.worker.compile(work, limits)
    # Addressed by all that the bytes depend on: other bytes under the same key would be a broken promise, which
    # the store refuses.
    told = f"-{sha256_hex(order.verification)[:16]}" if order.verification else ""
    name = f"{settings.settings_hash}{told}.{target.extension}"
    key = f"{order.artifact_id}/{order.revision_id}/{COMPILER_VERSION}/{name}"
    bundle = await using.files.write_bundle(order.tenant_id, key, result.data, target.media_type, result.filename)
    blank = _record(order, settings, using.clock())
    made = replace(blank, bundle=bundle, warnings=result.warnings, labels=result.origin.labels)
    return made, result.origin


def _failed(order: Order, error: LaceError, at: datetime) -> Compiled:
    blank = _record(order, _settings_or_defaults(order), at)
    details = "; ".join(f"{detail.field}: {detail.description}" for detail in error.details)
    message = f"{error.message} ({details})" if details and details not in error.message else error.message
    return replace(blank, error_code=error.reason.value, error_message=message)


def _settings_or_defaults(order: Order) -> CompileSettings:
    try:
        return settings_of(order.settings)
    except LaceError:
        return CompileSettings()


def _record(order: Order, settings: CompileSettings, at: datetime) -> Compiled:
    """The record without its outcome; its id comes from the job, so that a repeated delivery makes the same."""
    return Compiled(
        compiled_id=derive("cmp", order.tenant_id, order.job_id),
        artifact_id=order.artifact_id,
        revision_id=order.revision_id,
        target=order.target,
        attempt=0,
        compiler_version=COMPILER_VERSION,
        settings_hash=settings.settings_hash,
        ir_hash=order.ir_hash,
        created_at=at,
    )
