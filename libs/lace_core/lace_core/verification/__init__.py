"""Whether evidence carries what a sentence says, decided without a model."""
