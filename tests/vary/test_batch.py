"""A sample alone, in batches, in other places, in other company and padded: what changes, and where."""

import json
import textwrap
from pathlib import Path

import pytest

from detaudit.errors import UsageError
from detaudit.model.codec import from_plain, to_plain
from detaudit.model.plan import Target, TargetKind
from detaudit.replay.batches.ask import examine
from detaudit.replay.batches.samples import CannotTellError
from detaudit.replay.wire.batches import BatchAnswer, BatchOrder
from detaudit.run.options import RunOptions
from detaudit.run.progress import Silence
from detaudit.vary.batch import audit_batch, report_of

MODELS = Path(__file__).parent / "batch"
TWO_LAYERS = """
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)
            self.offset = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            hidden = self.first(x)
            hidden = {hidden}
            return {output}

    def make_model():
        return Model(){dtype}

    def make_batches():
        return [(torch.randn(4, 6){dtype}, torch.randint(0, 3, (4,))) for _ in range({batches})]
"""


@pytest.fixture
def ask(tmp_path):
    """Ask about a model file, or about two linear layers with arithmetic between them, in this process."""

    def asked(
        model=None, sizes=(1, 4), *, hidden="hidden", output="self.second(hidden)", dtype="", batches=4
    ):
        path = model
        if not isinstance(model, Path):
            source = model or TWO_LAYERS.format(hidden=hidden, output=output, dtype=dtype, batches=batches)
            path = tmp_path / "batch_model.py"
            path.write_text(textwrap.dedent(source))
        answer = json.dumps(to_plain(examine(BatchOrder(str(path), 0, tuple(sizes), ""))))
        return report_of(from_plain(BatchAnswer, json.loads(answer), "answer"), sizes)

    return asked


def audit(path, sizes):
    return audit_batch(Target(TargetKind.MODEL_FILE, "model.py", path=path), RunOptions(), sizes, Silence())


def changed(name, old, new):
    """The source of one of the models with a part of it exchanged."""
    source = (MODELS / f"{name}.py").read_text()
    assert old in source
    return source.replace(old, new)


def mixing(report, mode="evaluation"):
    return [one.module for one in report.mixing if one.mode == mode]


def test_arithmetic_element_by_element_is_the_same_bits_in_a_fresh_process():
    report = audit(MODELS / "elementwise.py", [4, 1])
    assert report.equal
    assert not report.problems
    assert not report.mixing
    assert not report.rounding
    assert {one.name for one in report.variants} == {
        "first of 4", "in the middle of 4", "last of 4", "first of 4 with other neighbours",
        "last of 4 with other neighbours", "padded with zeros to 4", "padded with copies of itself to 4",
    }  # fmt: skip


def test_a_matrix_product_of_one_row_rounds_otherwise_and_the_layers_that_do_are_named(ask):
    report = ask(MODELS / "perceptron.py")
    assert not report.equal
    assert not report.mixing
    assert {one.module for one in report.rounding} <= {"0", "2"}
    first = report.variants[0]
    assert (first.equal, first.module, first.phase) == (False, "0", "forward")
    relu = next(one for one in report.layers if one.module == "1" and one.value == "output")
    assert relu.propagated.elements
    assert not relu.isolated.elements


def test_a_softmax_over_the_samples_mixes_them_in_that_module_and_no_other(ask):
    report = ask(MODELS / "wrong_softmax.py")
    assert mixing(report) == ["1"]
    assert {one.module for one in report.layers if one.flagged} == {"1"}
    assert report.mixing[0].kind == "Gate"
    assert not report.mixing[0].by_definition
    assert "1" not in {one.module for one in report.rounding}


def test_the_same_softmax_over_the_features_mixes_nothing(ask):
    report = ask(changed("wrong_softmax", "dim=0", "dim=1"))
    assert not report.mixing
    assert not report.problems
    assert not any(one.flagged for one in report.layers)


def test_batch_normalisation_is_named_in_training_mode_and_not_in_evaluation(ask):
    report = ask(MODELS / "normalised.py")
    assert mixing(report) == []
    assert mixing(report, "training") == ["1", "6"]
    assert all(one.by_definition for one in report.mixing)
    assert not report.problems
    flagged = [one for one in report.training if one.flagged and one.value == "output"]
    assert [one.module for one in flagged] == ["1", "6"]
    assert all(one.isolated.relative > 0.1 for one in flagged)
    assert any("alone" in note and "more than 1 value" in note for note in report.notes)


def test_group_normalisation_in_its_place_mixes_nothing(ask):
    source = changed("normalised", "nn.BatchNorm2d(8)", "nn.GroupNorm(2, 8)")
    report = ask(source.replace("nn.BatchNorm1d(5)", "nn.LayerNorm(5)"))
    assert not report.mixing
    assert not report.problems
    assert all(one.equal is not None for one in report.variants)


def test_a_normalisation_of_ones_own_that_only_trains_over_the_batch_is_found_in_training(ask):
    own = "hidden - hidden.mean(0) if self.training else hidden"
    report = ask(hidden=own)
    assert mixing(report) == []
    assert mixing(report, "training") == [""]
    assert not report.mixing[0].by_definition


def test_a_transformer_with_a_mask_does_not_notice_padding_beyond_rounding(ask):
    report = ask(MODELS / "transformer.py")
    assert not report.mixing
    assert not report.problems
    padded = [one for one in report.variants if "tokens" in one.name]
    assert len(padded) == 1
    assert all(one.equal is not None for one in padded)
    assert all(one.propagated.relative < 1e-5 for one in report.layers if one.propagated)


def test_attention_that_forgets_the_mask_is_named_as_what_notices_padding(ask):
    report = ask(changed("transformer", "attention_mask == 0", "None"))
    assert mixing(report) == ["encoder.layers.0.self_attn"]
    assert "padding" in report.mixing[0].how


@pytest.mark.parametrize(
    ("hidden", "how"),
    [
        ("hidden.cumsum(0)", "neighbours"),
        ("hidden + 1e-5 * hidden.mean(0)", "neighbours"),
        ("(hidden / hidden.abs().max()).round() * hidden.abs().max()", "neighbours"),
        ("hidden / len(hidden)", "size"),
        ("hidden + torch.arange(len(hidden))[:, None]", "position"),
    ],
)
def test_what_a_model_takes_from_its_batch_is_found_however_small(ask, hidden, how):
    report = ask(hidden=hidden)
    assert mixing(report) == [""]
    assert how in report.mixing[0].how


@pytest.mark.parametrize(
    "hidden",
    [
        "torch.sigmoid(hidden)",
        "(hidden.float() * torch.rsqrt(hidden.float().pow(2).mean(-1, keepdim=True))).to(hidden.dtype)",
        "(lambda h: h - h.mean(-1, keepdim=True))(hidden + self.offset)",
        "hidden + 0.1 * torch.randn_like(hidden)",
        "torch.nn.functional.dropout(hidden, 0.5)",
        "hidden.detach()",
    ],
    ids=["sigmoid", "casts", "gradient-zero-but-for-rounding", "noise", "dropout", "detached"],
)
def test_rounding_noise_and_casts_are_not_taken_for_mixing(ask, hidden):
    report = ask(hidden=hidden)
    assert not report.mixing
    assert not report.problems


@pytest.mark.parametrize("dtype", [".double()", ".bfloat16()"])
def test_other_dtypes_are_judged_as_well(ask, dtype):
    output = "self.second(hidden).float()"
    assert not ask(dtype=dtype, output=output).mixing
    assert mixing(ask(hidden="hidden - hidden.mean(0)", dtype=dtype, output=output)) == [""]


def test_a_shuffle_inside_the_model_leaves_the_question_open(ask):
    report = ask(hidden="hidden + hidden[torch.randperm(len(hidden))]")
    assert not report.equal
    assert any("aten.randperm" in problem for problem in report.problems)
    assert any("by more than rounding" in problem for problem in report.problems)


def test_that_dropout_kept_everything_is_said(ask):
    report = ask(hidden="torch.nn.functional.dropout(hidden, 0.5)")
    assert report.draws == ("aten.bernoulli_",)
    assert any("dropout keeps everything" in note for note in report.notes)


def test_a_recurrent_layer_that_takes_time_first_is_reported_as_either_of_two_things(ask):
    source = """
        import torch
        from torch import nn
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.recurrent = nn.LSTM(4, 5)
            def forward(self, x):
                return self.recurrent(x)[0]
        def make_model(): return Model()
        def make_batches(): return [torch.randn(4, 6, 4) for _ in range(4)]
    """
    wrong = ask(source)
    assert mixing(wrong) == ["recurrent"]
    assert wrong.mixing[0].ambiguous
    assert any("batch_first=False" in problem for problem in wrong.problems)
    right = ask(source.replace("nn.LSTM(4, 5)", "nn.LSTM(4, 5, batch_first=True)"))
    assert not right.mixing
    assert not right.problems


def test_a_model_that_gives_only_a_loss_leaves_the_question_open(ask):
    report = ask(output="{'loss': self.second(hidden).pow(2).mean()}")
    assert not report.equal
    assert any("no value for each sample" in problem for problem in report.problems)


def test_equal_nans_are_no_evidence(ask):
    report = ask(hidden="hidden.abs().neg().log()")
    assert not report.equal
    assert any("not finite" in problem for problem in report.problems)


def test_neighbours_that_are_not_there_are_said_to_be_missing(ask):
    report = ask(batches=1)
    assert any("no other neighbours" in note for note in report.notes)
    assert not any("other neighbours" in one.name for one in report.variants)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (1, 99)}, "only 16 samples"),
        ({"hidden": "1 / 0"}, "cannot be run with a batch of 1: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_asked_is_said(ask, options, message):
    with pytest.raises(CannotTellError, match=message):
        ask(**options)


@pytest.mark.parametrize("sizes", [[1, 1], [4], [0, 4]])
def test_fewer_than_two_sizes_are_an_error(sizes):
    with pytest.raises(UsageError):
        audit(MODELS / "elementwise.py", sizes)


def test_a_script_makes_its_own_batches():
    target = Target(TargetKind.SCRIPT, "train.py", path=Path("train.py"))
    with pytest.raises(UsageError, match="makes its batches itself"):
        audit_batch(target, RunOptions(), [1, 4], Silence())


def test_a_model_file_that_fails_leaves_the_question_open(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def make_model(): raise ValueError('no weights here')\ndef make_batches(): return []\n")
    report = audit(path, [1, 4])
    assert not report.equal
    assert report.problems == ("the samples could not be tried: ValueError: no weights here",)


def test_padding_that_gives_nan_in_its_own_rows_is_said_and_no_mixing(ask):
    report = ask(hidden="hidden / (x[:, :1] != 0)")
    assert not report.mixing
    assert not report.problems
    assert any("padded with zeros" in note and "NaN" in note for note in report.notes)


def test_nan_that_comes_from_the_padding_is_mixing(ask):
    report = ask(hidden="hidden + 0 * (hidden / (x[:, :1] != 0)).mean(0)")
    assert mixing(report) == [""]
