"""The endpoints that any OpenAI client can use: their shapes and their errors, over our own calls."""

from lace_gateway.api.openai_api.chat import chat_endpoint
from lace_gateway.api.openai_api.embeddings import embeddings_endpoint
from lace_gateway.api.openai_api.models import model_endpoint, models_endpoint

__all__ = ["chat_endpoint", "embeddings_endpoint", "model_endpoint", "models_endpoint"]
