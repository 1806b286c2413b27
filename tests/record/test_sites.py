"""The line of the user's is found by who owns each file on the stack."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from detaudit.record.sites import Sites

INSTALLED = Path(sysconfig.get_paths()["platstdlib"]) / "site-packages"
"""Where a virtual environment has its packages: below what is called the folder of the standard library."""


def frame_in(file):
    space = {"sys": sys}
    exec(compile("def frame():\n    return sys._getframe()\n", str(file), "exec"), space)  # noqa: S102 - from no file
    return space["frame"]()


@pytest.mark.parametrize("started", [None, str(INSTALLED / "trainer")])
def test_an_installed_package_is_the_users_own_only_where_it_was_started(started):
    sites = Sites(started)
    assert sites.is_program(frame_in(INSTALLED / "trainer" / "cli.py")) is (started is not None)
    assert not sites.is_program(frame_in(INSTALLED / "trainers" / "cli.py"))
    assert sites.is_program(frame_in("/home/me/train.py"))


def test_an_installed_package_is_a_library_though_it_lies_below_the_standard_library():
    sites = Sites()
    assert list(sites.library_frames(frame_in(INSTALLED / "lightning" / "fit.py")))
    standard = Path(sysconfig.get_paths()["stdlib"]) / "random.py"
    assert not list(sites.library_frames(frame_in(standard)))
