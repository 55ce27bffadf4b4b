"""OpenAI, Azure OpenAI, and every server that speaks their wire: vLLM, Ollama, llama.cpp and others."""
