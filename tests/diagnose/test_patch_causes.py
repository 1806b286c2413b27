"""What is proposed for each cause: single lines before and after, and what has no mechanical fix."""

import pytest

from detaudit.diagnose.fixing import propose
from detaudit.diagnose.patching import library
from tests.diagnose.patch_examples import IMPORTS, MADE, NOTHING


@pytest.fixture
def change(tmp_path):
    """Propose a change for the line with `# guilty`, or else for the last one; imports are there."""

    def changed(cause, code, symbol=None):
        lines = (IMPORTS + code).splitlines()
        path = tmp_path / "train.py"
        path.write_text(IMPORTS + code)
        marked = [number for number, line in enumerate(lines, start=1) if "# guilty" in line]
        new = propose(path, cause, marked[0] if marked else len(lines), symbol)
        return new and new.removeprefix(IMPORTS)

    return changed


@pytest.fixture
def known_libraries(monkeypatch):
    """Answers for a library's signatures, so that none has to be imported."""
    known = {
        "sklearn.model_selection.train_test_split": {"random_state": "None", "shuffle": "True"},
        "sklearn.model_selection.KFold": {"shuffle": "False", "random_state": "None"},
        "sklearn.pipeline.make_pipeline": {"memory": "None"},
    }
    monkeypatch.setattr(library, "_defaults", lambda name: known.get(name, {}))


PAIRS = [(cause, *pair) for cause, pairs in MADE.items() for pair in pairs]


@pytest.mark.usefixtures("known_libraries")
@pytest.mark.parametrize(("cause", "before", "after"), PAIRS, ids=[before for _, before, _ in PAIRS])
def test_the_line_is_changed_and_nothing_else(change, cause, before, after):
    assert change(cause, before) == after


@pytest.mark.usefixtures("known_libraries")
@pytest.mark.parametrize(("cause", "code", "symbol"), NOTHING, ids=[code for _, code, _ in NOTHING])
def test_what_is_not_mechanical_is_left_alone(change, cause, code, symbol):
    assert change(cause, code, symbol) is None


def test_a_seed_in_a_variable_stays_where_another_call_is_meant(change):
    code = "x = default_rng(i).normal() + np.random.normal()"
    assert change("unseeded-numpy", code, "numpy.random.normal") == f"\nnp.random.seed(0)\n\n{code}"
    seeded = code.replace("(i)", "(0)")
    assert change("unseeded-numpy", code, "numpy.random.default_rng") == seeded


@pytest.mark.parametrize(
    ("symbol", "seeds"),
    [
        ("numpy.random.permutation", ["np.random.seed(0)"]),
        ("torch.nn.init.normal_", ["torch.manual_seed(0)"]),
        ("build_model", ["random.seed(0)", "np.random.seed(0)", "torch.manual_seed(0)"]),
        (None, ["random.seed(0)", "np.random.seed(0)", "torch.manual_seed(0)"]),
    ],
)
def test_what_comes_before_the_seed_is_seeded_first(change, symbol, seeds):
    code = "model = build_model()  # guilty\ntorch.manual_seed(config.seed)"
    assert change("seed-order", code, symbol) == "\n" + "\n".join(seeds) + f"\n\n{code}"


def test_a_loader_gets_a_function_that_seeds_its_workers(change):
    init = "lambda i: np.random.seed(int(time.time()))"
    code = f"x = DataLoader(\n    data,\n    worker_init_fn={init},  # guilty\n)\n"
    assert change("worker-seeding", code) == (
        "\n\ndef seed_worker(worker_id):\n"
        "    seed = torch.initial_seed() % 2**32\n"
        "    np.random.seed(seed)\n"
        "    random.seed(seed)\n"
        "\n\nx = DataLoader(\n    data,\n"
        "    worker_init_fn=seed_worker, generator=torch.Generator().manual_seed(0),  # guilty\n)\n"
    )


def test_a_loader_without_either_gets_both_and_keeps_its_generator(change):
    new = change("worker-seeding", "seed_worker = 1\nx = DataLoader(data, num_workers=2)")
    generator = "torch.Generator().manual_seed(0)"
    assert new.endswith(f"(data, num_workers=2, worker_init_fn=seed_worker_, generator={generator})")
    new = change("worker-seeding", "x = DataLoader(data, generator=g)")
    assert new.endswith("DataLoader(data, generator=g, worker_init_fn=seed_worker)")


def test_the_parameter_is_looked_up_in_the_library_that_is_installed(change):
    """One question to the real library, and one to a module that is not there."""
    library._defaults.cache_clear()
    assert change("unseeded-library", "a = train_test_split(x)") == "a = train_test_split(x, random_state=0)"
    assert change("unseeded-library", "import no_such\na = no_such.split(x)") is None


def test_without_the_library_sklearn_is_known_to_take_a_random_state(change, monkeypatch):
    monkeypatch.setattr(library, "_defaults", lambda _name: {})
    assert change("unseeded-library", "f = KFold(shuffle=True)") == "f = KFold(shuffle=True, random_state=0)"
    assert change("unseeded-library", "f = KFold()") is None
