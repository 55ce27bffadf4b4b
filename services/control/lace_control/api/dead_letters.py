"""DeadLetterService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.control.v1 import dead_letters_pb2 as wire
from lace.control.v1 import dead_letters_pb2_grpc as grpc_wire
from lace_control.api import convert
from lace_control.api.mutations import mutation
from lace_control.app import dead_letters
from lace_control.app.ports import Control
from lace_control.domain.access import Caller
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call

_LIST = "/lace.control.v1.DeadLetterService/ListDeadLetters"
_REDRIVE = "/lace.control.v1.DeadLetterService/RedriveDeadLetter"
_DISCARD = "/lace.control.v1.DeadLetterService/DiscardDeadLetter"


class DeadLetterServicer(grpc_wire.DeadLetterServiceServicer):
    """The dead letters of all topics."""

    def __init__(self, control: Control, pages: PageTokens) -> None:
        self._control = control
        self._pages = pages

    async def ListDeadLetters(self, request: wire.ListDeadLettersRequest, context: Any) -> wire.ListDeadLettersResponse:
        """Lists dead letters, newest first."""
        caller, search = _caller(), convert.search_of_wire(request)
        page = self._pages.page(_LIST, _scope(caller, request), request)
        found = await dead_letters.list_dead_letters(self._control, caller, search, page.limit, page.moment)
        shown, token = page.cut(found, lambda letter: (letter.died_at, letter.dead_letter_id))
        letters = map(convert.dead_letter_to_wire, shown)
        return wire.ListDeadLettersResponse(dead_letters=letters, next_page_token=token)

    async def GetDeadLetter(self, request: wire.GetDeadLetterRequest, context: Any) -> wire.DeadLetter:
        """A dead letter with its payload."""
        letter = await dead_letters.get_dead_letter(self._control, _caller(), request.dead_letter_id)
        return convert.dead_letter_to_wire(letter)

    async def RedriveDeadLetter(self, request: wire.RedriveDeadLetterRequest, context: Any) -> wire.DeadLetter:
        """Sends the message once more."""
        once = mutation(_REDRIVE, request, wire.DeadLetter, convert.dead_letter_to_wire, convert.dead_letter_of_wire)
        letter = await dead_letters.redrive_dead_letter(self._control, _caller(), request.dead_letter_id, once)
        return convert.dead_letter_to_wire(letter)

    async def DiscardDeadLetter(self, request: wire.DiscardDeadLetterRequest, context: Any) -> wire.DeadLetter:
        """Puts the message away."""
        once = mutation(_DISCARD, request, wire.DeadLetter, convert.dead_letter_to_wire, convert.dead_letter_of_wire)
        letter = await dead_letters.discard_dead_letter(
            self._control, _caller(), request.dead_letter_id, request.reason, once
        )
        return convert.dead_letter_to_wire(letter)


def _caller() -> Caller:
    return convert.caller_of(current_call())


def _scope(caller: Caller, request: wire.ListDeadLettersRequest) -> dict[str, object]:
    return {
        "tenant_id": caller.tenant_id,
        "of": request.tenant_id,
        "topic": request.topic,
        "state": int(request.state),
    }
