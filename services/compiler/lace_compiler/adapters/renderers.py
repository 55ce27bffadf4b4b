"""Which renderer writes which target; each is imported only where it is used, as the libraries are heavy."""

from __future__ import annotations

from lace_compiler.app.ports import Renderer
from lace_compiler.domain.target import Target


def renderer_of(target: Target) -> Renderer:
    """The renderer of a target."""
    match target:
        case Target.MD:
            from lace_compiler.adapters.render_markdown import MarkdownRenderer

            return MarkdownRenderer()
        case Target.DOCX:
            from lace_compiler.adapters.render_docx import DocxRenderer

            return DocxRenderer()
        case Target.PDF:
            from lace_compiler.adapters.render_pdf import PdfRenderer

            return PdfRenderer()
        case Target.OWL:
            from lace_compiler.adapters.render_owl import OwlRenderer

            return OwlRenderer()
