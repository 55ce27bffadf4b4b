"""The version of the rules of verification: kept with every verdict that they give."""

from __future__ import annotations

from typing import Final

# Raised with every change that can change a verdict; "" stands for verdicts from before it was kept.
RULES_VERSION: Final = "rules/3"
