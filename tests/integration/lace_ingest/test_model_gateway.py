"""The way to models over gRPC: on whose behalf they are asked, with which settings, and what comes of their answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import pytest

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace.llm_gateway.v1 import llm_gateway_pb2, llm_gateway_pb2_grpc, models_pb2, models_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.models.embedding_models import GatewayEmbeddingModels
from lace_ingest.adapters.models.model_gateway import ModelGateway
from lace_ingest.adapters.models.model_grants import ModelGrants
from lace_ingest.app.model_ports import ModelCall
from lace_ingest.app.ports import Caller
from lace_ingest.domain.vectors import EmbeddingModel
from lace_platform.clock import utc_now
from lace_platform.control_settings import ControlSettings
from lace_platform.rpc import ServiceIdentity, open_channel

CALLER = Caller("ten_a", "prn_a")
SETTINGS = {
    "llm.embedding_provider": "local",
    "llm.embedding_model": "",
    "llm.redaction": "off",
    "retrieval.mode": "auto",
}


@dataclass
class Told:
    """What the neighbours were told, and what they say."""

    grants: list[control_pb2.IssueRunGrantRequest] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)
    embeds: list[models_pb2.EmbedRequest] = field(default_factory=list)
    listed: int = 0
    read: int = 0
    scores: dict[int, float] = field(default_factory=lambda: {0: 0.5, 1: 2.0})
    stored: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    def take(self) -> bool:
        found, self.changed = self.changed, False
        return found


class _Auth(control_pb2_grpc.AuthServiceServicer):
    def __init__(self, told: Told) -> None:
        self._told = told

    async def IssueServiceIdentity(self, request: Any, context: Any) -> control_pb2.IssueServiceIdentityResponse:
        answer = control_pb2.IssueServiceIdentityResponse(identity="service-identity")
        answer.expires_at.FromDatetime(utc_now() + timedelta(hours=1))
        return answer

    async def IssueRunGrant(self, request: Any, context: Any) -> control_pb2.IssueRunGrantResponse:
        self._told.bearers.append(dict(context.invocation_metadata())["authorization"])
        self._told.grants.append(request)
        answer = control_pb2.IssueRunGrantResponse(identity=f"grant-{request.principal_id}")
        answer.expires_at.FromDatetime(utc_now() + timedelta(hours=1))
        return answer


class _Settings(control_pb2_grpc.SettingsServiceServicer):
    def __init__(self, told: Told) -> None:
        self._told = told

    async def ReadSettings(self, request: Any, context: Any) -> control_pb2.ReadSettingsResponse:
        self._told.read += 1
        answer = control_pb2.ReadSettingsResponse()
        answer.values.update(self._told.stored)
        return answer


class _Models(models_pb2_grpc.ModelServiceServicer):
    def __init__(self, told: Told) -> None:
        self._told = told

    async def Embed(self, request: Any, context: Any) -> models_pb2.EmbedResponse:
        self._told.bearers.append(dict(context.invocation_metadata())["authorization"])
        self._told.embeds.append(request)
        call = llm_gateway_pb2.Call(provider="local", resolved_model="tiny")
        return models_pb2.EmbedResponse(
            embeddings=[models_pb2.Embedding(values=[1, 0, 0])] * len(request.texts), call=call
        )

    async def Rerank(self, request: Any, context: Any) -> models_pb2.RerankResponse:
        ranked = [models_pb2.RankedDocument(index=at, score=score) for at, score in self._told.scores.items()]
        return models_pb2.RerankResponse(results=ranked[::-1])


class _Providers(llm_gateway_pb2_grpc.ProviderServiceServicer):
    def __init__(self, told: Told) -> None:
        self._told = told

    async def ListCapabilities(self, request: Any, context: Any) -> llm_gateway_pb2.ListCapabilitiesResponse:
        self._told.listed += 1

        def model(name: str, *, configured: bool = True, is_default: bool = False) -> llm_gateway_pb2.MeasuringModel:
            return llm_gateway_pb2.MeasuringModel(
                model=name,
                kind=llm_gateway_pb2.MEASURING_KIND_EMBEDDING,
                configured=configured,
                dimensions=384,
                is_default=is_default,
            )

        def provider(name: str, *models: llm_gateway_pb2.MeasuringModel) -> llm_gateway_pb2.ProviderCapability:
            return llm_gateway_pb2.ProviderCapability(provider=name, measuring_models=models)

        return llm_gateway_pb2.ListCapabilitiesResponse(
            providers=[
                provider("local", model("other"), model("tiny", is_default=True)),
                provider("openai", model("large", configured=False, is_default=True)),
            ]
        )


@dataclass(frozen=True)
class World:
    """The adapters, and what their neighbours were told."""

    told: Told
    gateway: ModelGateway
    models: GatewayEmbeddingModels
    settings: ControlSettings


@pytest.fixture
async def world() -> AsyncIterator[World]:
    told, server = Told(), grpc.aio.server()
    # What is not asked here is left to the bases.
    control_pb2_grpc.add_AuthServiceServicer_to_server(_Auth(told), server)  # type: ignore[abstract]
    control_pb2_grpc.add_SettingsServiceServicer_to_server(_Settings(told), server)  # type: ignore[abstract]
    models_pb2_grpc.add_ModelServiceServicer_to_server(_Models(told), server)
    llm_gateway_pb2_grpc.add_ProviderServiceServicer_to_server(_Providers(told), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = open_channel(f"127.0.0.1:{port}")
    gateway = ModelGateway(channel, ModelGrants(channel, ServiceIdentity(channel, "ingest", "secret")))
    settings = ControlSettings(channel, told, own={"retrieval.mode": "auto", "llm.retries": 2})
    yield World(told, gateway, GatewayEmbeddingModels(channel, gateway), settings)
    await channel.close()
    await server.stop(None)


async def test_models_are_asked_under_a_grant_for_the_principal_which_is_kept(world: World) -> None:
    for _ in range(2):
        embedded = await world.gateway.embed(ModelCall(CALLER, SETTINGS, 5), ["one", "two"])
    assert embedded.model == EmbeddingModel("local", "tiny", 3)
    assert [list(vector) for vector in embedded.vectors] == [[1, 0, 0]] * 2
    [grant] = world.told.grants
    assert (grant.tenant_id, grant.principal_id, list(grant.scopes)) == ("ten_a", "prn_a", ["runs:write"])
    assert world.told.bearers == ["Bearer service-identity", "Bearer grant-prn_a", "Bearer grant-prn_a"]


async def test_outside_of_runs_only_the_models_are_named_and_a_run_carries_all_it_pinned(world: World) -> None:
    await world.gateway.embed(ModelCall(CALLER, SETTINGS, 5), ["one"])
    await world.gateway.embed(ModelCall(CALLER, SETTINGS, 5, run_id="run_1"), ["one"])
    outside, inside = (json.loads(request.settings_json) for request in world.told.embeds)
    assert outside == {"llm.embedding_provider": "local", "llm.embedding_model": ""}
    assert inside == {**outside, "llm.redaction": "off"}
    assert [request.run_id for request in world.told.embeds] == ["", "run_1"]


async def test_scores_come_back_in_the_order_of_the_documents_and_none_may_be_missing(world: World) -> None:
    call = ModelCall(CALLER, SETTINGS, 5)
    assert list(await world.gateway.rerank(call, "q", ["a", "b"])) == [0.5, 2.0]
    with pytest.raises(LaceError) as refused:
        await world.gateway.rerank(call, "q", ["a", "b", "c"])
    assert refused.value.reason is Reason.PROVIDER_OUTPUT_INVALID


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("local", "", EmbeddingModel("local", "tiny", 384)),
        ("local", "other", EmbeddingModel("local", "other", 384)),
        ("local", "mine", EmbeddingModel("local", "mine", 3)),
        ("openai", "", None),
        ("openai", "mine", None),
        ("gemini", "", None),
    ],
)
async def test_a_model_is_what_the_list_says_or_is_asked_once_how_long_its_vectors_are(
    world: World, provider: str, model: str, expected: EmbeddingModel | None
) -> None:
    settings = {"llm.embedding_provider": provider, "llm.embedding_model": model}
    for _ in range(2):
        assert await world.models.resolve(CALLER, settings) == expected
    assert world.told.listed == 1
    assert len(world.told.embeds) == (1 if model == "mine" and expected else 0)


async def test_settings_are_remembered_until_control_says_that_some_have_changed(world: World) -> None:
    world.told.stored = {"retrieval.mode": "lexical"}
    for _ in range(2):
        assert await world.settings.of("ten_a") == {"retrieval.mode": "lexical", "llm.retries": 2}
    assert world.told.read == 1
    before = world.settings.changed()
    world.told.stored, world.told.changed = {"retrieval.mode": "dense"}, True
    assert world.settings.changed() != before
    assert (await world.settings.of("ten_a"))["retrieval.mode"] == "dense"


async def test_where_control_was_never_reached_nothing_is_known_of_a_tenant() -> None:
    told = Told()
    channel = open_channel("127.0.0.1:1")
    settings = ControlSettings(channel, told)
    with pytest.raises(LaceError) as refused:
        await settings.of("ten_a")
    assert refused.value.reason is Reason.SERVICE_UNAVAILABLE
    await channel.close()
