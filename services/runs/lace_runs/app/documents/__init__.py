"""How a document is made: the work of each step of the pipelines generate and outline."""
