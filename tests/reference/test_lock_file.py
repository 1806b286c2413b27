"""The text of a lock: written, read, and refused where it is not whole."""

from __future__ import annotations

import difflib
import math
from dataclasses import replace

import pytest

from detaudit.digest.algorithm import ALGORITHM
from detaudit.errors import LockError
from detaudit.model.lock import BEFORE, VARIES, Lock, LockedTarget
from detaudit.model.sketch import BUCKETS, Sketch, relative_difference
from detaudit.reference.lock_file import parse, read_lock, text_of
from detaudit.reference.lock_line import entry_of, line_of
from tests.locks import HELD, block, entry, exact

ENTRIES = (
    entry("initial", BEFORE, phase="init"),
    entry(layer="Blobs (loader 1)", what="batch", phase="data"),
    exact("order", layer="Blobs (loader 1)", what="exact batch order"),
    entry(layer="", what="loss", phase="forward"),
    replace(entry(layer="Net.b"), digest=VARIES, sketch=None),
)


def lock(*blocks):
    return Lock(ALGORITHM, blocks)


def text(*blocks):
    return text_of(lock(*blocks))


def refused(content):
    with pytest.raises(LockError) as caught:
        parse(content, "detaudit.lock")
    return caught.value


def changed_lines(before, after):
    return list(difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm=""))[2:]


def test_what_is_written_is_read_again():
    one = block(
        *ENTRIES, args=("--name", "a b\n", ""), seed=3, noted={"cpu": "Intel 5"}, level="step", steps=2
    )
    (read,) = parse(text(one), "x").blocks
    assert (read.target, read.environment, read.noted) == (one.target, one.environment, one.noted)
    assert (read.level, read.steps) == (one.level, one.steps)
    assert [each.identity for each in read.entries] == [each.identity for each in one.entries]
    assert [each.digest for each in read.entries] == [each.digest for each in one.entries]


def test_reading_and_writing_again_changes_nothing():
    once = text(block(*ENTRIES), block(name="other.py"))
    assert text_of(parse(once, "x")) == once


def test_sketches_are_read_to_seven_digits():
    for number in range(20):
        one = entry(number, size=number / 7, count=5)
        read = entry_of(line_of(one))
        assert read.sketch.count == 5
        assert relative_difference(one.sketch, read.sketch) < 6e-8


@pytest.mark.parametrize("size", [3e-7, 2e-2])
def test_a_small_difference_is_told_from_a_large_one_after_reading(size):
    read = entry_of(line_of(entry()))
    assert relative_difference(read.sketch, entry(size=size).sketch) == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize(
    "sketch",
    [
        Sketch(0.0, 0.0, (0.0,) * BUCKETS, 4),
        Sketch(1e200, -1e200, (1e200,) * BUCKETS, 4, 1),
        Sketch(1e-200, 1e-200, (1e-200,) * BUCKETS, 4),
        Sketch(math.inf, math.nan, (math.inf,) * BUCKETS, 4),
    ],
)
def test_zero_huge_tiny_and_endless_sketches_are_written(sketch):
    read = entry_of(line_of(replace(entry(), sketch=sketch))).sketch
    assert (read.norm, read.count, read.not_finite) == (sketch.norm, 4, sketch.not_finite)


@pytest.mark.parametrize(
    "layer", ["", "Net.a b", "Net.t\tab", "Net.line\nend\t00", "Net.\\t", "größe", "\udcff", "a\x1b"]
)
def test_any_name_of_a_layer_stays_on_its_line_and_comes_back(layer):
    one = entry(layer=layer)
    line = line_of(one)
    assert line.isprintable() or line.replace("\t", "").isprintable()
    assert entry_of(line).layer == layer


def test_one_number_that_changes_is_one_line_and_the_checksum():
    before = text(block(*ENTRIES), block(name="other.py"))
    changed = (
        ENTRIES[0],
        entry(layer="Blobs (loader 1)", what="batch", phase="data", size=0.1),
        *ENTRIES[2:],
    )
    lines = changed_lines(before, text(block(*changed), block(name="other.py")))
    assert [line[0] for line in lines if not line.startswith("@")] == ["-", "+", "-", "+"]
    assert [line[1:4] for line in lines if line.startswith("+")] == ["0\td", "end"]


def test_targets_and_environments_have_one_order():
    blocks = [
        block(name=name, args=args, environment={**HELD, "threads": threads})
        for name in ("b.py", "a.py")
        for args in ((), ("--fast",))
        for threads in ("8", "2")
    ]
    assert text(*blocks) == text(*blocks[::-1])
    names = [line for line in text(*blocks).split("\n") if line.startswith(("target", "args"))]
    assert names == [
        *["target\ta.py"] * 2,
        *["target\ta.py", "args\t--fast"] * 2,
        *["target\tb.py"] * 2,
        *["target\tb.py", "args\t--fast"] * 2,
    ]


def test_a_target_more_leaves_the_lines_of_the_others():
    lines = changed_lines(text(block(name="b.py")), text(block(name="a.py"), block(name="b.py")))
    assert all(not line.startswith("-") for line in lines)


@pytest.mark.parametrize("line", range(10))
def test_a_line_that_was_edited_is_told(line):
    lines = text(block(*ENTRIES)).split("\n")[3:-2]
    at = line * len(lines) // 10
    edited = [*text(block(*ENTRIES)).split("\n")]
    edited[3 + at] = edited[3 + at].replace(lines[at][-1], "3" if lines[at][-1] != "3" else "4")
    error = refused("\n".join(edited))
    assert error.slug == "lock-damaged"
    assert error.message.startswith("detaudit.lock:")


def test_a_line_that_was_removed_or_doubled_is_told():
    lines = text(block(*ENTRIES)).split("\n")
    assert "checksum" in refused("\n".join([*lines[:-4], *lines[-3:]])).message
    assert "checksum" in refused("\n".join([*lines[:-3], *lines[-4:]])).message


def test_a_file_that_was_cut_is_told():
    lines = text(block(*ENTRIES)).split("\n")
    error = refused("\n".join(lines[:-3]))
    assert error.message == "detaudit.lock:4: the block that begins here has no end: the file was cut"


def test_a_line_that_is_none_of_a_lock_is_told_by_its_number():
    lines = text(block(*ENTRIES)).split("\n")
    for strange in ("strange", "0\tnowhere\tNet\tweights\t" + "0" * 32, "x\tdata\tNet\tbatch\t" + "0" * 32):
        error = refused("\n".join([*lines[:12], strange, *lines[12:]]))
        assert error.message == "detaudit.lock:13: this is no line of a lock"


def test_text_between_the_blocks_is_told():
    assert refused(text(block()) + "\nstrange\n").slug == "lock-damaged"


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> other", "||||||| base"])
def test_marks_of_a_merge_conflict_are_told_by_their_line(mark):
    lines = text(block(*ENTRIES)).split("\n")
    error = refused("\n".join([*lines[:7], mark, *lines[7:]]))
    assert (error.slug, error.message) == ("lock-conflict", "detaudit.lock:8: marks of a merge conflict")
    assert "detaudit lock" in error.hint


def test_a_lock_of_a_newer_format_or_other_digests_is_told():
    newer = text(block()).replace("detaudit-lock\t1\t", "detaudit-lock\t2\t")
    other = text(block()).replace(ALGORITHM, "sha256")
    assert [refused(each).slug for each in (newer, other)] == ["lock-version"] * 2
    assert "format 2" in refused(newer).message


@pytest.mark.parametrize(
    ("content", "slug"), [("", "lock-empty"), ("\n\n", "lock-empty"), ("{}", "lock-foreign")]
)
def test_an_empty_or_foreign_file_is_told(content, slug):
    assert refused(content).slug == slug


def test_the_same_target_and_environment_twice_is_told():
    twice = text(block(*ENTRIES)) + "\n" + "\n".join(text(block()).split("\n")[3:])
    error = refused(twice)
    assert error.slug == "lock-damaged"
    assert "the same target and environment as in line 4" in error.message


def test_the_same_target_in_two_environments_is_none():
    both = parse(text(block(), block(environment={**HELD, "threads": "4"})), "x")
    assert [one.target for one in both.blocks] == [LockedTarget("train.py")] * 2


def test_a_file_that_is_missing_a_folder_or_not_text_is_told(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    slugs = []
    for name in ("missing", ".", "binary"):
        with pytest.raises(LockError) as caught:
            read_lock(tmp_path / name)
        slugs.append(caught.value.slug)
    assert slugs == ["lock-missing", "lock-unreadable", "lock-damaged"]


def test_line_endings_of_another_system_do_not_matter(tmp_path):
    path = tmp_path / "detaudit.lock"
    path.write_bytes(text(block(*ENTRIES)).replace("\n", "\r\n").encode())
    assert text_of(read_lock(path)) == text(block(*ENTRIES))
