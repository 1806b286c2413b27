"""The answer of an audit, as a test sees it, and as it is shown where a test fails."""

from __future__ import annotations

from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter

from detaudit.errors import DetauditError
from detaudit.model.result import AuditResult, Finding, TargetSummary, Verdict


class Unverified(Exception):  # noqa: N818 - the verdict's name
    """There is no answer: the call trained nothing, or did not end well. A test must not pass on that."""


class Answer:
    """The result of `detaudit(function)`. Its only verdicts are `reproducible` and `not-reproducible`."""

    def __init__(self, result: AuditResult) -> None:
        self.result = result
        """The whole answer: the object behind the JSON result."""

    @property
    def reproducible(self) -> bool:
        """Whether all runs were equal in every number."""
        return self.result.reproducible

    @property
    def verdict(self) -> str:
        """`reproducible` or `not-reproducible`."""
        return self.result.verdict.value

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every fault that was found, the first divergence first."""
        return self.result.findings

    @property
    def causes(self) -> tuple[str, ...]:
        """The labels of their causes, as `detaudit explain` lists them."""
        return tuple(finding.cause for finding in self.findings if finding.cause)

    def __bool__(self) -> bool:
        """Give the value of `reproducible`."""
        return self.reproducible

    def __str__(self) -> str:
        """Give the ten lines that the command line prints."""
        return in_lines(self.result)

    def __repr__(self) -> str:
        """Give the answer in one line."""
        return f"<{in_brief(self.result)}>"


def in_lines(result: AuditResult) -> str:
    """Give the ten lines that the command line prints."""
    from detaudit.report.terminal import text_of

    return text_of(result).rstrip()


def in_brief(result: AuditResult) -> str:
    """Give the verdict and, if there is a finding, the first cause and its line."""
    if result.verdict is Verdict.UNVERIFIED:
        return f"unverified: {result.reason}"
    if not result.findings:
        return result.verdict.value.replace("-", " ")
    first = result.findings[0]
    from detaudit.report.lines import shortened

    what = first.cause or f"the {first.origin.event} differs in step {first.origin.step}"
    place = "" if first.site is None else f" at {shortened(first.site.file)}:{first.site.line}"
    only = " (evaluation only)" if result.training_agrees else ""
    return f"{result.verdict.value.replace('-', ' ')}{only}: {what}{place}"


def not_audited(name: str, error: DetauditError) -> AuditResult:
    """Answer about a test that could not be run at all."""
    hint = f"; {error.hint}" if error.hint else ""
    reason = f"{error.message} [{error.slug}]{hint}"
    return AuditResult.unanswered(reason, TargetSummary("test", name))


def not_watched() -> AuditResult:
    """Answer about a session in which nobody can say which tests train."""
    reason = "detaudit did not see which tests train, since torch was not loaded by an import statement"
    return AuditResult.unanswered(reason, TargetSummary("test", "all tests"))


def verified(result: AuditResult) -> AuditResult:
    """Return the result if it is an answer. Raises Unverified otherwise."""
    __tracebackhide__ = True
    if result.verdict is not Verdict.UNVERIFIED:
        return result
    told = "".join(f"\n{notice.message}" for notice in result.notices if notice.id == "target-stderr")
    raise Unverified(f"unverified: {result.reason}{told}")


class Finished(TerminalRepr):
    """An answer in the place of a traceback."""

    def __init__(self, result: AuditResult) -> None:
        self._text = in_lines(result)
        place = result.findings[0].site if result.findings else None
        file, line = ("", 0) if place is None else (place.file, place.line)
        self.reprcrash = ReprFileLocation(file, line, in_brief(result))
        """Gives the single line for the short summary and the XML report."""

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write the ten lines."""
        tw.line(self._text)
