"""Rules of calling models: requests and answers, capabilities and prices, prompts, finish reasons, cost."""
