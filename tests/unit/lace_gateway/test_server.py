"""What the HTTP server asks of the system."""

from __future__ import annotations

import resource

from lace_gateway.api.server import _MOST_FILES, _allow_many_connections


def test_as_many_files_as_the_administrator_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        _allow_many_connections()
        raised, unchanged = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert unchanged == hard
        assert raised == (_MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES))
        _allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
