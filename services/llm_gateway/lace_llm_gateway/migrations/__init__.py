"""The history of the schema `llm_gateway`."""
