"""The place where two runs part, as closely as known; becomes a finding once the cause is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detaudit.compare.result import finding_from
from detaudit.compare.wording import FROM_OUTSIDE, message
from detaudit.model.evidence import Evidence
from detaudit.model.result import Comparison, FaultScope, Finding, Origin
from detaudit.model.trace import Site
from detaudit.sources.observation import Naming

OUTSIDE = "the difference comes from outside torch (all operators before it were seen and agree)"


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two runs part."""

    coarse: Comparison
    """The comparison of the first runs."""
    differs: int
    """Pairs of runs that differ there, out of `pairs`."""
    pairs: int
    fine: Comparison | None = None
    """The comparison of two runs that recorded operators, if they part at an operator in the same place."""
    provoked: Comparison | None = None
    """The comparison of two runs with more threads, if only these showed the operator."""
    operators_agree: bool = False
    """True if every operator before the place was seen, and agreed."""
    scope: FaultScope | None = None
    """The scope that a closer look found; None: the scope of the first comparison holds."""

    @property
    def rate(self) -> dict[str, int]:
        """How many pairs of runs differ, of how many."""
        return {"differs": self.differs, "pairs": self.pairs}

    @property
    def reach(self) -> FaultScope:
        """Whether it reaches the training, or evaluations alone."""
        return self.scope or self._seen_in(self.coarse).scope

    @property
    def origin(self) -> Origin:
        """The place, with the operator if it is known."""
        if self.provoked is not None:
            return self._seen_in(self.provoked).origin
        coarse = self._seen_in(self.coarse).origin
        if self.fine is None:
            return coarse
        fine = self._seen_in(self.fine).origin
        # The layer run knows the phase and the module better: an operator outside of modules has neither.
        return replace(
            fine,
            phase=coarse.phase,
            module=coarse.module if fine.module is None else fine.module,
            root=fine.root or coarse.root,
            event=coarse.event,
        )

    @property
    def site(self) -> Site | None:
        """The line, from the closest look."""
        if self.provoked is not None:
            return self._seen_in(self.provoked).site
        closest = None if self.fine is None else self._seen_in(self.fine).site
        return closest or self._seen_in(self.coarse).site

    @property
    def other_sites(self) -> tuple[Site, ...]:
        """Lines of further differences, and the line from afar where a closer look has another one."""
        coarse = self._seen_in(self.coarse)
        shown = (coarse.site,) if self.provoked is not None else (coarse.site, *coarse.other_sites)
        return tuple(dict.fromkeys(site for site in shown if site is not None and site != self.site))

    @property
    def symbol(self) -> str | None:
        """The operator that makes the difference, if one is known to."""
        closest = self.provoked or self.fine or self.coarse
        return self._seen_in(closest).symbol

    @property
    def message(self) -> str:
        """How the runs part, in a sentence."""
        first = self.coarse.first
        if first is None:
            raise ValueError("the runs do not part")
        if self.fine is not None and self.fine.first is not None:
            return f"{message(first, self.coarse, '')}; {message(self.fine.first, self.fine)}"
        return message(first, self.coarse, OUTSIDE if self.operators_agree else FROM_OUTSIDE)

    def counting(self, *, differs: bool) -> Parting:
        """Count one more pair of runs."""
        return replace(self, differs=self.differs + differs, pairs=self.pairs + 1)

    def finding(
        self, naming: Naming | None = None, evidence: tuple[Evidence, ...] = (), *, confirmed: bool = False
    ) -> Finding:
        """Make the finding; without a name, the cause is not known."""
        place = replace(
            self._seen_in(self.coarse),
            origin=self.origin,
            site=self.site,
            other_sites=self.other_sites,
            symbol=self.symbol,
            message=self.message,
            scope=self.reach,
        )
        if naming is None:
            return place
        site = naming.site or self.site
        others = dict.fromkeys(one for one in (*naming.others, self.site) if one not in {None, site})
        return replace(
            place,
            id=naming.cause,
            cause=naming.cause,
            confirmed=confirmed,
            evidence=evidence,
            site=site,
            other_sites=tuple(one for one in others if one is not None),
            symbol=naming.symbol,
            message=naming.message,
            fix=naming.advice,
        )

    def _seen_in(self, comparison: Comparison) -> Finding:
        return finding_from(comparison, **self.rate)
