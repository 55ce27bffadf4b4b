"""The model gateway's services as another service meets them, saying what they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc, models_pb2, models_pb2_grpc
from lace_core.errors import LaceError
from lace_platform.rpc import CallContext, current_call

FINGERPRINT = "fp_7"


@dataclass(frozen=True)
class Pause:
    """Time that passes between two pieces."""

    seconds: float


Piece = str | LaceError | Pause


class Generation(llm_gateway_pb2_grpc.GenerationServiceServicer):
    """Says `pieces` one after the other; an error among them breaks off, a pause lets time pass."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begins anew, as all doubles can."""
        self.pieces: list[Piece] = ["Yes", ".", " It is."]
        self.finish = wire.FINISH_REASON_STOP
        self.settles = True
        self.requests: list[wire.GenerateRequest] = []
        self.calls: list[CallContext] = []
        self.left_early = asyncio.Event()

    async def Generate(self, request: Any, context: Any) -> wire.GenerateResponse:
        self._note(request)
        texts = [text async for text in self._told()]
        return self._settled(request, "".join(texts))

    async def StreamGenerate(self, request: Any, context: Any) -> AsyncIterator[wire.StreamGenerateResponse]:
        self._note(request.request)
        texts: list[str] = []
        async for text in self._told():
            texts.append(text)
            yield wire.StreamGenerateResponse(delta=wire.Delta(text=text, answer=1))
        if self.settles:
            yield wire.StreamGenerateResponse(settled=self._settled(request.request, "".join(texts)))

    def _note(self, request: wire.GenerateRequest) -> None:
        self.requests.append(request)
        self.calls.append(current_call())

    async def _told(self) -> AsyncIterator[str]:
        try:
            for piece in self.pieces:
                if isinstance(piece, LaceError):
                    raise piece
                if isinstance(piece, Pause):
                    await asyncio.sleep(piece.seconds)
                else:
                    yield piece
        except asyncio.CancelledError:
            self.left_early.set()
            raise

    def _settled(self, request: wire.GenerateRequest, output: str) -> wire.GenerateResponse:
        call = wire.Call(
            call_id=f"cal_{len(self.requests)}",
            provider=request.provider or "extractive",
            requested_model=request.model,
            resolved_model=request.model,
            answered_model=f"{request.model}-2026-01-01",
            fingerprint=FINGERPRINT,
            finish_reason=self.finish,
            input_tokens=11,
            output_tokens=7,
        )
        call.started_at.FromSeconds(1_763_740_800)
        return wire.GenerateResponse(output=output, call=call)


class Measuring(models_pb2_grpc.ModelServiceServicer):
    """Vectors of a text's length."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.requests: list[models_pb2.EmbedRequest] = []
        self.failure: LaceError | None = None

    async def Embed(self, request: Any, context: Any) -> models_pb2.EmbedResponse:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        vectors = [models_pb2.Embedding(values=[len(text), 0.1, -1.5]) for text in request.texts]
        call = wire.Call(call_id="cal_1", answered_model=request.model, input_tokens=5)
        return models_pb2.EmbedResponse(embeddings=vectors, call=call)


class Providers(llm_gateway_pb2_grpc.ProviderServiceServicer):
    """Two providers, one of them without a key."""

    async def ListCapabilities(self, request: Any, context: Any) -> wire.ListCapabilitiesResponse:
        def known(provider: str, model: str, configured: bool, day: str) -> wire.ProviderCapability:
            models = [wire.ModelCapability(model=model, price_date=day)]
            return wire.ProviderCapability(provider=provider, configured=configured, models=models)

        return wire.ListCapabilitiesResponse(
            providers=[
                known("anthropic", "claude-x", False, ""),
                known("extractive", "extractive-1", True, ""),
                known("openai", "gpt-4.1-mini", True, "2025-04-14"),
            ]
        )
