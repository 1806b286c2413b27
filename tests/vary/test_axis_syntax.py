"""What is asked for with `--vary`: read, checked, refused with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from detaudit.axes.catalogue import weakest
from detaudit.errors import UsageError
from detaudit.model.plan import Target, TargetKind
from detaudit.model.variation import Promise
from detaudit.vary.axis_syntax import (
    check_target,
    combinations,
    differing,
    in_words,
    read_options,
    read_table,
)

SCRIPT = Target(TargetKind.SCRIPT, "train.py", path=Path("train.py"))
MODEL_FILE = Target(TargetKind.MODEL_FILE, "model.py", path=Path("model.py"))
TEST = Target(TargetKind.TEST, "test_it")


def texts(options):
    """The values as they were typed."""
    return {axis: [one.text for one in settings] for axis, settings in read_options(options).items()}


def refused(function, *args):
    with pytest.raises(UsageError) as caught:
        function(*args)
    return f"{caught.value.message} [{caught.value.slug}]; {caught.value.hint}"


def test_axes_and_values_are_read_as_typed():
    """Values stand behind an equals sign with commas between; in quotes, a comma belongs to the value."""
    assert texts(["threads=1,2"]) == {"threads": ["1", "2"]}
    assert texts(["args=,--workers 2"]) == {"args": ["", "--workers 2"]}
    assert texts(['args="--layers 1,2","--layers 3"']) == {"args": ["--layers 1,2", "--layers 3"]}
    assert texts(["env:A=x,y", "workers=0,2"]) == {"env:A": ["x", "y"], "workers": ["0", "2"]}


def test_values_are_read_once_into_what_they_are():
    """A number of threads is a number, a switch is on or off, arguments are a list."""
    asked = read_options(["threads=1,2", "mkldnn=on,off", "args=,--name 'a b'", "device=cpu,cuda:1"])
    values = {axis: [one.value for one in settings] for axis, settings in asked.items()}
    assert values["threads"] == [1, 2]
    assert values["mkldnn"] == [True, False]
    assert values["args"] == [(), ("--name", "a b")]
    assert [(one.kind, one.number) for one in values["device"]] == [("cpu", None), ("cuda", 1)]
    assert read_table({"threads": [1, 2]})["threads"] == asked["threads"]


REFUSED = {
    "thread=1,2": "no axis has the name 'thread' [vary-unknown]; did you mean threads?",
    "colour=1,2": "[vary-unknown]; known are hash-seed, workers,",
    "env:=1,2": "no axis has the name 'env:'",
    "threads": "--vary threads has no values [vary-invalid]; say --vary threads=1,2",
    "threads=": "fewer than two values [vary-single]",
    "threads=1": "threads cannot vary with fewer than two values [vary-single]",
    "threads=1,1": "fewer than two values [vary-single]",
    "threads=1,2,1": "threads has a value twice [vary-single]",
    "threads=1,two": "threads cannot be 'two' [vary-value]; give whole numbers from 1 on",
    "threads=0,1": "threads cannot be '0' [vary-value]",
    "mkldnn=on,of": "mkldnn cannot be 'of' [vary-value]; did you mean off?",
    "device=cpu,cuds": "device cannot be 'cuds' [vary-value]; did you mean cuda?",
    "dtype=float32,float": "[vary-value]; did you mean float",
    "layout=contiguous,channels_last": "[vary-value]; did you mean channels-last?",
    'args=a,"b': "cannot be taken apart",
    "args=,--name 'a": 'the arguments "--name \'a" cannot be taken apart: No closing quotation',
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_is_refused(text):
    """An unknown axis or value is refused with the nearest name, one value only with what to give."""
    assert REFUSED[text] in refused(read_options, [text])


def test_an_axis_is_given_once_and_batch_alone():
    """Two lists for one axis are refused, and so is `batch` beside another axis."""
    assert "threads is given twice [vary-twice]" in refused(read_options, ["threads=1,2", "threads=2,4"])
    assert "[vary-alone]" in refused(read_options, ["batch=1,4", "threads=1,2"])
    assert "no axis to vary" in refused(lambda: list(combinations({})))


def test_what_is_no_table_is_refused():
    """In pytest, what is given must be a table of lists."""
    assert "[vary-invalid]" in refused(read_table, ["threads"])
    assert "[vary-single]" in refused(read_table, {"threads": "12"})
    assert "[vary-unknown]" in refused(read_table, {1: [1, 2]})


@pytest.mark.parametrize("axis", ["dtype", "layout", "batch"])
def test_axes_that_need_a_model_file_say_so(axis):
    """A script cannot be run in another dtype from outside: the message says what to do instead."""
    values = {"dtype": ["float32", "float64"], "layout": ["contiguous", "channels-last"], "batch": [1, 4]}
    asked = read_table({axis: values[axis]})

    check_target(asked, MODEL_FILE)
    told = refused(check_target, asked, SCRIPT)
    assert f"{axis} cannot vary for a script [vary-not-here]" in told
    assert ("args=" in told) or ("model file" in told)
    assert "assert_same('model.py', vary=...)" in refused(check_target, asked, TEST)


def test_only_a_script_takes_arguments():
    """Arguments vary for scripts and modules alone."""
    asked = read_table({"args": ["", "--fast"]})
    check_target(asked, SCRIPT)
    assert "takes no arguments that could vary" in refused(check_target, asked, MODEL_FILE)


def test_values_of_several_axes_are_combined():
    """Each value is tried with each of the other axes; the first of all is what the rest is held against."""
    found = list(combinations(read_table({"threads": [1, 2], "env:A": ["", "x"]})))

    assert [in_words(one) for one in found] == [
        'threads=1, env:A=""',
        "threads=1, env:A=x",
        'threads=2, env:A=""',
        "threads=2, env:A=x",
    ]
    assert differing(found[0], found[1]) == ("env:A",)
    assert differing(found[0], found[3]) == ("threads", "env:A")


def test_the_weakest_promise_counts():
    """Where one of the axes may round otherwise, equal bits are not owed."""
    assert weakest(["workers"]) is Promise.BITS
    assert weakest(["workers", "threads"]) is Promise.ROUNDING
    assert weakest(["threads", "device"]) is Promise.PRECISION
    assert weakest(["env:SEED"]) is Promise.BITS
    assert weakest(["env:OMP_NUM_THREADS"]) is Promise.ROUNDING
