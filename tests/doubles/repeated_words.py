"""A large file that takes no room."""

from __future__ import annotations

_PIECE = 64 * 1024


class RepeatedWords:
    """To be read once: the head, then one word over and over, without a line break, up to the size in bytes."""

    def __init__(self, size: int, head: bytes = b"") -> None:
        self._head, self._left = head, size - len(head)
        self._words = b"word " * (_PIECE // 5)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, some 64 KiB at most."""
        if self._head:
            head, self._head = self._head, b""
            return head
        count = min(size if size > 0 else _PIECE, self._left, len(self._words))
        self._left -= count
        return self._words[:count]
