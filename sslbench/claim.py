"""A published claim that a sweep re-examines: which side it says scores higher than which."""

from __future__ import annotations

from pydantic import Field

from sslbench.config import Frozen


class Side(Frozen):
    """One side of a comparison: an arm, by the protocol that validation chooses for it or by a named one."""

    arm: str
    by: str | None = Field(
        None, description="evaluation task, as in metric keys; left out: chosen on validation"
    )

    def __str__(self) -> str:
        return self.arm if self.by is None else f"{self.arm} by {self.by}"


class ClaimPart(Frozen):
    """One comparison that the claim stands on."""

    says: str = Field(min_length=1, description="the comparison in words")
    better: Side
    than: Side
    metric: str | None = Field(
        None,
        description="another metric of the named tasks than the objective's, better when larger",
    )


class Claim(Frozen):
    """What was published, and the comparisons that would show it."""

    text: str = Field(min_length=1, description="the claim in one sentence")
    source: str = Field(min_length=1, description="paper and DOI or arXiv number")
    parts: tuple[ClaimPart, ...] = Field(min_length=1)
