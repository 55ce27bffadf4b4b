"""CompileService over gRPC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lace.compiler.v1 import compiler_pb2, compiler_pb2_grpc
from lace_compiler.api import convert
from lace_compiler.api.pages import CompiledPages
from lace_compiler.app.list_compiled import list_compiled
from lace_compiler.app.ports import Files, Units
from lace_platform.rpc import current_call


class CompileServicer(compiler_pb2_grpc.CompileServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(self, units: Units, files: Files, pages: CompiledPages) -> None:
        self._units = units
        self._files = files
        self._pages = pages

    async def ListCompiled(
        self, request: compiler_pb2.ListCompiledRequest, context: Any
    ) -> compiler_pb2.ListCompiledResponse:
        """Lists what was compiled of an artifact, newest first, with links to download it."""
        tenant_id = current_call().tenant_id
        question = replace(self._pages.question(tenant_id, request), labels=current_call().labels)
        page = await list_compiled(self._units, self._files, tenant_id, question)
        return convert.list_response(page, self._pages.next_token(tenant_id, request, page))
