"""Tasks in other processes, and code without a file: what is held by the task, and whose line it is."""

from __future__ import annotations

import pytest

from tests.sources.test_taps import run

TASKS = """
    import os
    import numpy as np
    from detaudit.sources.pool_tasks import Task
    def draw():
        return np.random.rand()
    first, second = Task(draw, "a"), Task(draw, "b")
    for task in (first, second):
        task._made_in = 0
    value = [first(), second(), first()]
"""


def test_a_task_draws_the_same_numbers_in_whatever_order_tasks_come_when_the_generator_is_held(tmp_path):
    one, other, again = run(tmp_path, TASKS, "numpy-random")["value"]
    assert one == again != other
    assert [entry[1] for entry in run(tmp_path, TASKS, "numpy-random")["noted"]] == ["numpy.random.rand"]


def test_a_task_draws_other_numbers_each_time_when_nothing_is_held(tmp_path):
    one, _other, again = run(tmp_path, TASKS)["value"]
    assert one != again


def test_a_draw_in_generated_code_is_noted_for_the_line_that_calls_it(tmp_path):
    program = """
        import random
        made = {"random": random}
        exec(compile("def draw():\\n    return random.random()", "<argmap compilation 4>", "exec"), made)
        value = made["draw"]()
    """
    assert [entry[1] for entry in run(tmp_path, program)["noted"]] == ["random.random"]


LIBRARIES = {
    "tokenizers": """
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
        text = ["the quick brown fox jumps over the lazy dog", "she sells sea shells by the sea shore"] * 8
        tokenizer = Tokenizer(models.BPE(dropout={dropout}))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=90, show_progress=False))
        value = [tokenizer.encode(one).ids for one in text]
    """,
}


def test_dropout_of_a_tokenizer_is_noted_and_held(tmp_path):
    pytest.importorskip("tokenizers")
    program = LIBRARIES["tokenizers"].format(dropout=0.5)
    held, again = (run(tmp_path, program, "compiled-libraries") for _ in range(2))
    assert held["value"] == again["value"]
    assert "compiled-libraries" in {entry[0] for entry in held["noted"]}
    assert run(tmp_path, program)["value"] != run(tmp_path, program)["value"]


def test_a_tokenizer_without_dropout_is_not_noted(tmp_path):
    pytest.importorskip("tokenizers")
    noted = run(tmp_path, LIBRARIES["tokenizers"].format(dropout=None))["noted"]
    assert "compiled-libraries" not in {entry[0] for entry in noted}
