"""Describe each fault of the data side in one sentence, with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from detaudit.model.data import DataAudit, DataFault, LoaderAudit, Occurrence
from detaudit.model.result import Notice

SHOWN = 5
"""At most this many epochs, workers or samples are named."""

SENTENCES = {
    DataFault.WORKERS_REPEAT_RANDOMNESS: (
        "{workers} of {loader} drew the same random numbers from {generators} in {epochs}; "
        "seed it in each worker from torch.initial_seed(), in worker_init_fn"
    ),
    DataFault.EPOCHS_REPEAT_RANDOMNESS: (
        "{workers} of {loader} drew the same random numbers from {generators} in {epochs} as in the epoch "
        "before; seed it from torch.initial_seed(), in worker_init_fn, and seed torch itself only once"
    ),
    DataFault.WORKERS_REPEAT_DATA: (
        "{workers} of {loader} gave the same batches in {epochs}; "
        "let each take a share of its own, by torch.utils.data.get_worker_info()"
    ),
    DataFault.EPOCHS_SAME_ORDER: (
        "{loader} is shuffled by {sampler}, and its samples came in the same order in {epochs} as in the "
        "epoch before; seed the generator of the order only once, or call set_epoch if the sampler has it"
    ),
    DataFault.SAMPLES_TWICE: "{loader} gave {twice} more than once in {epochs}; {sampler} gives each once",
    DataFault.SAMPLES_MISSING: "{loader} never gave {missing} in {epochs}; {sampler} gives each once",
}


def notices(audit: DataAudit) -> tuple[Notice, ...]:
    """Return one notice for each fault of each loader."""
    found = []
    for loader in audit.loaders:
        ordered = sorted(loader.faults, key=lambda one: list(DataFault).index(one.fault))
        for fault, group in groupby(ordered, key=lambda one: one.fault):
            found.append(Notice(fault.value, _message(fault, loader, list(group))))
    return tuple(found)


def _message(fault: DataFault, loader: LoaderAudit, found: Sequence[Occurrence]) -> str:
    where = "" if loader.stream == "main" else f" in {loader.stream}"
    epoch = next(one for one in loader.epochs if one.iteration == found[0].epoch)
    return SENTENCES[fault].format(
        loader=f"{loader.dataset} (loader {loader.loader}){where}",
        sampler=loader.sampler,
        workers=_listed("worker", sorted({worker for one in found for worker in one.workers})),
        generators=" and ".join(dict.fromkeys(one.generator.removeprefix("__main__.") for one in found)),
        epochs=_listed("epoch", list(dict.fromkeys(one.epoch for one in found))),
        twice=_listed("sample", epoch.twice, epoch.twice_count),
        missing=_listed("sample", epoch.missing, epoch.missing_count),
    )


def _listed(noun: str, numbers: Sequence[int], count: int | None = None) -> str:
    """Return `worker 0`, `workers 0 and 1`, `epochs 1, 2, 3, 4, 5 and 7 more`."""
    total = len(numbers) if count is None else count
    shown = [str(number) for number in numbers[:SHOWN]]
    if total > len(shown):
        shown.append(f"{total - len(shown)} more")
    head, last = ", ".join(shown[:-1]), "".join(shown[-1:])
    return f"{noun}{'s' * (total > 1)} {head} and {last}" if head else f"{noun} {last}"
