"""The metrics of OpenTelemetry's GenAI conventions: for Prometheus always, by OTLP where traces go that way too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from opentelemetry import metrics
from opentelemetry.metrics import Histogram as Instrument
from opentelemetry.metrics import Meter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as conventions
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from prometheus_client import Histogram

from lace_platform.rpc.tracing import spans_are_wanted

_METER = "lace.llm_gateway"
# The buckets that the conventions advise.
_SECONDS = tuple(0.01 * 2**power for power in range(14))
_TOKEN_COUNTS = tuple(4**power for power in range(14))
_CHUNK_SECONDS = (0.001, 0.005, *_SECONDS[:12])

_MODEL = (names.GEN_AI_OPERATION_NAME, names.GEN_AI_PROVIDER_NAME, names.GEN_AI_REQUEST_MODEL)


def _histogram(name: str, text: str, own: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
    labels = [label.replace(".", "_") for label in (*_MODEL, *own)]
    return Histogram(name.replace(".", "_"), text, labels, buckets=buckets)


DURATION = _histogram(
    f"{conventions.GEN_AI_CLIENT_OPERATION_DURATION}.seconds",
    "Seconds of a try at a provider; error_type is empty where it was answered.",
    (ERROR_TYPE,),
    _SECONDS,
)
TOKENS = _histogram(
    conventions.GEN_AI_CLIENT_TOKEN_USAGE, "Tokens of an answered try.", (names.GEN_AI_TOKEN_TYPE,), _TOKEN_COUNTS
)
FIRST_CHUNK = _histogram(
    f"{conventions.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK}.seconds",
    "Seconds from a streamed try's request to its first piece.",
    (),
    _SECONDS,
)
LATER_CHUNK = _histogram(
    f"{conventions.GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK}.seconds",
    "Seconds from one piece of a streamed try to the next.",
    (),
    _CHUNK_SECONDS,
)


@dataclass(frozen=True)
class Tried:
    """Which operation was tried at whom: `chat` and the like, the provider's name in the conventions, the model."""

    operation: str
    provider: str
    model: str


class GenAiMetrics:
    """Records tries. `meter` is for who collects otherwise than by the process's own exporter."""

    def __init__(self, meter: Meter | None = None) -> None:
        self._meter = meter

    def ended(self, tried: Tried, seconds: float, error: str) -> None:
        """A try ended, well where `error` is empty."""
        _of(DURATION, tried, error).observe(seconds)
        if self._is_exported:
            self._duration.record(seconds, _attributes(tried) | ({ERROR_TYPE: error} if error else {}))

    def used(self, tried: Tried, kind: str, tokens: int) -> None:
        """Tokens of a kind: input or output."""
        _of(TOKENS, tried, kind).observe(tokens)
        if self._is_exported:
            self._tokens.record(tokens, _attributes(tried) | {names.GEN_AI_TOKEN_TYPE: kind})

    def came(self, tried: Tried, seconds: float, *, is_first: bool) -> None:
        """A piece of a streamed answer came, so long after the request or the piece before."""
        _of(FIRST_CHUNK if is_first else LATER_CHUNK, tried).observe(seconds)
        if self._is_exported:
            (self._first_chunk if is_first else self._later_chunk).record(seconds, _attributes(tried))

    @property
    def _is_exported(self) -> bool:
        return self._meter is not None or spans_are_wanted()

    @property
    def _instruments(self) -> Meter:
        return self._meter or metrics.get_meter(_METER)

    @cached_property
    def _duration(self) -> Instrument:
        return conventions.create_gen_ai_client_operation_duration(self._instruments)

    @cached_property
    def _tokens(self) -> Instrument:
        return conventions.create_gen_ai_client_token_usage(self._instruments)

    @cached_property
    def _first_chunk(self) -> Instrument:
        return conventions.create_gen_ai_client_operation_time_to_first_chunk(self._instruments)

    @cached_property
    def _later_chunk(self) -> Instrument:
        return conventions.create_gen_ai_client_operation_time_per_output_chunk(self._instruments)


@lru_cache(maxsize=1024)
def _of(histogram: Histogram, tried: Tried, *own: str) -> Histogram:
    return histogram.labels(tried.operation, tried.provider, tried.model, *own)


def _attributes(tried: Tried) -> dict[str, str]:
    return dict(zip(_MODEL, (tried.operation, tried.provider, tried.model), strict=True))
