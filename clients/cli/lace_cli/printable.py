"""Foreign text as it may be shown in a terminal: what would steer it, or turn a line around, is made visible."""

from lace_core.differences.printable import printable, visible

__all__ = ["printable", "visible"]
