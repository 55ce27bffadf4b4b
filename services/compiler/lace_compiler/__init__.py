"""Compiles an IR revision to md, docx, pdf and owl."""
