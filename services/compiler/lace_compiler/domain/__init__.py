"""Pure rules of compilation: from an IR revision to the document that every renderer reads."""
