"""Runs that train nothing: each leaves the trace that a comment in the target asks for."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

from detaudit.model.plan import RunOutcome
from detaudit.model.sketch import BUCKETS, Sketch
from detaudit.model.trace import Site
from detaudit.trace.layout import site_key
from tests.traces import TraceBuilder, digest_of, training_step

STEPS = 3


def target(**values):
    """The text of a target whose runs leave these values; `noise` is one that differs from run to run."""
    return f"# {json.dumps({'weight': 1.0, 'used': 0.5, 'loss': 0.25} | values)}\n"


class Pretended:
    """Stands in for `detaudit.run.runs.execute`; `ran` has the folders in which runs were started."""

    def __init__(self):
        self.ran = []
        self.numbers = itertools.count()

    def __call__(self, plan, folder, progress):
        where = plan.folder or Path.cwd()
        self.ran.append(where)
        values = json.loads((where / plan.target.path).read_text().splitlines()[0].removeprefix("# "))
        own = folder / "run1-layer"
        own.mkdir(parents=True)
        (own / "stdout.txt").touch()
        (own / "stderr.txt").write_text("" if "fails" not in values else "ValueError: no numbers\n")
        code = int("fails" in values)
        trace = None if code else self.trace(own / "main.trace", values)
        del progress
        return [RunOutcome("1", trace, code, 1.0, False, own / "stdout.txt", own / "stderr.txt")]  # noqa: FBT003 - as in the class

    def trace(self, path, values):
        layer, site = values.pop("layer", "conv"), values.pop("site", None)
        if values.pop("noise", False):
            values["weight"] = float(next(self.numbers))
        builder = TraceBuilder(path)
        for step in range(STEPS):
            events = training_step(step, **values)
            events = [replace(one, module=layer if one.module == "conv" else one.module) for one in events]
            builder.step(*events)
        for number in (value for value in values.values() if isinstance(value, float)):
            builder.writer.add_sketch(digest_of(number), sketch(number))
        if site is not None:
            builder.writer.add_site(site_key(Site(site, 1, "f")), Site(site, 1, "f"))
        return builder.close()


def sketch(number):
    """The sketch of one number."""
    return Sketch(abs(number), number, (number, *[0.0] * (BUCKETS - 1)), 1)
