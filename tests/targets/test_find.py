"""From what the user types to what is run."""

from pathlib import Path

import pytest

from detaudit.errors import TargetError
from detaudit.model.plan import TargetKind, TargetRef
from detaudit.targets.find import find_target

MODEL = "def make_model(): ...\ndef make_batches(): ...\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "text", "kind"),
    [
        ("import torch\n", "t.py", TargetKind.SCRIPT),
        (MODEL, "t.py", TargetKind.MODEL_FILE),
        (MODEL, "t.py:make_model", TargetKind.MODEL_FILE),
        ("from nets import make_model\nmake_batches = list\n", "t.py", TargetKind.MODEL_FILE),
        ("if True:\n    def make_model(): ...\n    def make_batches(): ...\n", "t.py", TargetKind.MODEL_FILE),
        ("def make_model(): ...\n", "t.py", TargetKind.SCRIPT),
        ("def f():\n    def make_model(): ...\n    def make_batches(): ...\n", "t.py", TargetKind.SCRIPT),
        ("def train(): ...\n", "t.py:train", TargetKind.CALLABLE),
        ("", "package.module:train", TargetKind.CALLABLE),
    ],
)
def test_kinds(source, text, kind):
    """A file with make_model and make_batches is a model file; another is a script; a name is a callable."""
    Path("t.py").write_text(source)
    Path("package").mkdir()

    assert find_target(TargetRef(text)).kind is kind


@pytest.mark.parametrize(
    ("ref", "slug"),
    [
        (TargetRef("absent.py"), "target-missing"),
        (TargetRef("absent"), "target-missing"),
        (TargetRef("broken.py"), "target-syntax"),
        (TargetRef("zeros.py"), "target-syntax"),
        (TargetRef("folder"), "target-unreadable"),
        (TargetRef("half.py:make_model"), "model-file-incomplete"),
        (TargetRef("half.py:train"), "callable-missing"),
        (TargetRef("absent_package.module:train"), "module-missing"),
        (TargetRef("absent_package", module=True), "module-missing"),
        (TargetRef("model.py", args=("--x",)), "model-file-arguments"),
    ],
)
def test_what_cannot_be_found_is_told(ref, slug):
    """Each target that cannot be run is refused with its own message and a hint, and nothing of it is run."""
    Path("broken.py").write_text("def f(:\n")
    Path("zeros.py").write_bytes(b"\0\0")
    Path("half.py").write_text("def make_model(): ...\n")
    Path("model.py").write_text(MODEL)
    Path("folder").mkdir()

    with pytest.raises(TargetError) as caught:
        find_target(ref)
    assert caught.value.slug == slug
    assert caught.value.hint


@pytest.fixture
def installed(folder, monkeypatch):
    """Install a package with a command, as pip does; give its folder."""
    place = folder / "site-packages"
    (place / "trainer").mkdir(parents=True)
    (place / "trainer" / "__init__.py").touch()
    (place / "trainer-1.0.dist-info").mkdir()
    (place / "trainer-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: trainer\nVersion: 1.0\n"
    )
    (place / "trainer-1.0.dist-info" / "entry_points.txt").write_text(
        "[console_scripts]\nfit = trainer.cli:main\n"
    )
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(folder / "bin"))
    (folder / "bin").mkdir()
    for name in ("fit", "other"):
        (folder / "bin" / name).write_text("import sys\nfrom trainer.cli import main\nsys.exit(main())\n")
    (folder / "fit").write_text("print()\n")
    return place / "trainer"


@pytest.mark.parametrize(
    ("ref", "is_program"),
    [
        (TargetRef("bin/fit"), True),
        (TargetRef("trainer.cli", module=True), True),
        (TargetRef("trainer.cli:train"), True),
        (TargetRef("bin/other"), False),
        (TargetRef("fit"), False),
        (TargetRef("json.tool", module=True), False),
    ],
)
def test_an_installed_package_that_is_started_is_the_program(installed, ref, is_program):
    """A package's own command, or a module of it, makes its code the program's; nothing else does."""
    assert find_target(ref).package == (installed if is_program else None)
