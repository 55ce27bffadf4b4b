"""What a transformation log says, and what follows from it for the entities that it names."""
