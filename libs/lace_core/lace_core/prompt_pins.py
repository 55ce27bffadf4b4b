"""Which prompt a run uses for each contract, as its settings pin it: `contract=hash` of the stored template.

The hashes are those of the prompts that this version brings. A test compares them with the prompts themselves: who
edits a prompt finds the new hash there, and runs that were started before keep the old one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lace_core.errors import LaceError, Reason

PROMPT_PINS = (
    "lace.document_judge.v1=61e458ec79c21a77f02aba722368b736f2cec6354ab61fe6f32ceb66351d2dcb",
    "lace.enrich.v1=3b9f95b0ee6ad8c224a46e372f879eae4d77e733a0c9f0a20c13cbca42329815",
    "lace.enrich.v2=32793559eebe9fe51918df0ae01af074a7f2b9408be62e9a9cca396d4be3820e",
    "lace.extract_facts.v1=348cd26be601f855916522ecb01792e92db2aa3ad10a2b2eaf86f9bdfc528bda",
    "lace.intent.v1=84bcf2b757923657a3335cfdd963eb1d8935a77fe9343ec588c2806357278ff7",
    "lace.judge.v1=147a652aacf99c3e52a43dae1d3732565b81f3cbd5f6f68cb679573904fb39dd",
    "lace.outline.v1=80acc31ac0d343d50afb1b1a227698feed03f6da79b386bd4a592ff3773a6f80",
    "lace.outline.v2=634db37c80504d5d7cd8bfa3be6aea86a95f3d652a89234100d99850f3ea2fd0",
    "lace.paragraph.v1=04438d89d828812448bd62e9c50face4e89a2082aa108b06b38f27d8ba53fd11",
    "lace.patch.v1=5defdd125888f930d364c43103042798db4af5585cf11718dbd697a7dd7c2bcc",
    "lace.patch.v2=d542111413885aa546ef11b8c8f8b11521e5ab864df81bd16551aea9af414e47",
    "lace.strategy.v1=89c27d47328e8a19f7924bcb2a4c20ec9273f70aa92b0d620e9aefed235333d7",
    "lace.write.v1=14e8fb82590a1d956784af9670a6c4cd96e9fb930c38fd22028501d7235d7583",
    "lace.write.v2=22aa1cd9683633f7a0b2e4995fc1846ef2444f621b5a1f8887b2a32555c90265",
    "lace.write.v3=7fb370e2a752f0fff9cbf8e50de08e321cb25015fcd9a716405887d7308ebd54",
    "lace.write.v4=7c762d5d369690a5403109881ed7d9c03b57a3eb7e82477719a4589f5ecdc239",
)
_PIN = re.compile(r"(lace\.[a-z_]+\.v[0-9]+)=([0-9a-f]{64})")


def check_pin(text: str) -> None:
    """Raises LaceError SETTING_INVALID for what is no pin."""
    if not _PIN.fullmatch(text):
        raise LaceError(
            Reason.SETTING_INVALID, f"{text[:100]!r} is no contract=hash with the template_sha256 of a template."
        )


def pins_of(pins: Sequence[str]) -> dict[str, str]:
    """The hash of each contract's template; the last of a contract counts."""
    return {pin.partition("=")[0]: pin.partition("=")[2] for pin in pins}


def over(weaker: Sequence[str], stronger: Sequence[str]) -> list[str]:
    """The weaker pins with those of the stronger in their place, by contract."""
    return [f"{contract}={found}" for contract, found in sorted({**pins_of(weaker), **pins_of(stronger)}.items())]
