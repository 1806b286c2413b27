"""Small virtual environments in which detaudit is installed, for tests of what Python does as it starts."""

from __future__ import annotations

import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINE = ROOT / "detaudit" / "run" / "detaudit_record.pth"


def environment(folder: Path, *, installed: bool = True) -> Path:
    """Make an environment that sees our packages, with detaudit installed in it or not; gives its Python."""
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    ours = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "_ours.pth").write_text("\n".join([*ours, str(ROOT)]) + "\n")
    if installed:
        (packages / LINE.name).write_bytes(LINE.read_bytes())
    return folder / "bin" / "python"
