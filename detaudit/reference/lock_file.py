"""The text of a lock: made for review, one line for each thing, always in the same order.

The first line names the format and the digests' algorithm. A block (one target in one environment) begins
with `target`, ends with `end` and a checksum, and says in between what it holds for, then what was there.
The checksum tells a file that was damaged, edited or merged from a training that changed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xxhash import xxh3_64_hexdigest

from detaudit.digest.algorithm import ALGORITHM
from detaudit.errors import LockError
from detaudit.model.lock import Block, Entry, Lock, LockedTarget
from detaudit.model.trace import Level
from detaudit.reference.lock_line import entry_of, escaped, line_of, unescaped, whole

FORMAT = 1
NAME = "detaudit.lock"
"""The name of a lock, unless the user names another."""

EMPTY = Lock(ALGORITHM)
"""A lock that holds nothing yet."""

_MAGIC = "detaudit-lock"
_REMARK = "# Digests of training steps. Written by `detaudit lock`, held by `detaudit check --lock`."
_RESTORE = "restore it (`git checkout -- {file}`), or delete it and write it anew with `detaudit lock`"
_CONFLICT = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


def text_of(lock: Lock) -> str:
    """Write a lock: targets in order of their names, environments in order of what they are."""
    head = "\t".join((_MAGIC, str(FORMAT), lock.digest))
    blocks = ("\n".join(_lines(block)) for block in sorted(lock.blocks, key=_order))
    return "\n".join((head, _REMARK, *(f"\n{block}" for block in blocks))) + "\n"


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises LockError, naming file and line, for anything that is not a whole one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = "`detaudit lock TARGET` writes one, to be committed"
        raise LockError("lock-missing", f"there is no lock {path}", hint) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise LockError("lock-unreadable", message, "name a file that can be read") from error
    except UnicodeDecodeError as error:
        hint = _RESTORE.format(file=path)
        raise LockError("lock-damaged", f"{path} is damaged: it is not UTF-8 text", hint) from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Lock:
    """Read a lock's text; `name` is what errors call it. Raises LockError."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith(_CONFLICT):
            hint = (
                "take either side whole, then run `detaudit lock` for the targets that changed on the other"
            )
            raise LockError("lock-conflict", f"{name}:{number}: marks of a merge conflict", hint)
    digest = _head(lines, name)
    blocks: dict[tuple[LockedTarget, tuple[tuple[str, str], ...]], int] = {}
    found = []
    for first, part in _parts(lines, name):
        block = _block(first, part, name)
        before = blocks.setdefault((block.target, tuple(block.environment.items())), first)
        if before != first:
            raise _damaged(name, first, f"the same target and environment as in line {before}")
        found.append(block)
    return Lock(digest, tuple(found))


def _order(block: Block) -> tuple[object, ...]:
    target = block.target
    return target.name, target.args, -1 if target.seed is None else target.seed, *block.environment.items()


def _lines(block: Block) -> list[str]:
    target = block.target
    lines = [f"target\t{escaped(target.name)}"]
    if target.args:
        lines.append(f"args\t{escaped(shlex.join(target.args))}")
    if target.seed is not None:
        lines.append(f"seed\t{target.seed}")
    lines += [f"level\t{block.level.value}", f"steps\t{block.steps}"]
    lines += [f"held\t{name}\t{escaped(value)}" for name, value in block.environment.items()]
    lines += [f"noted\t{name}\t{escaped(value)}" for name, value in block.noted.items()]
    lines += [line_of(entry) for entry in block.entries]
    return [*lines, f"end\t{_checksum(lines)}"]


def _checksum(lines: Sequence[str]) -> str:
    return xxh3_64_hexdigest("\n".join(lines).encode())


def _head(lines: Sequence[str], name: str) -> str:
    """Check the first line and return the digests' algorithm."""
    if not any(lines):
        raise LockError("lock-empty", f"{name} is empty", _RESTORE.format(file=name))
    fields = lines[0].split("\t")
    if fields[0] != _MAGIC or len(fields) != 3:  # noqa: PLR2004 - name, format, algorithm
        hint = "name a lock that `detaudit lock` has written"
        raise LockError("lock-foreign", f"{name}:1: this is not a lock of detaudit", hint)
    if fields[1] != str(FORMAT) or fields[2] != ALGORITHM:
        message = (
            f"{name}:1: the lock has format {fields[1]} with digests {fields[2]}; "
            f"this detaudit knows format {FORMAT} with digests {ALGORITHM}"
        )
        hint = "use the detaudit that wrote it, or delete the file and write it anew with this one"
        raise LockError("lock-version", message, hint)
    return fields[2]


def _parts(lines: Sequence[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """Split the text into blocks: the number of each block's first line, and its lines."""
    first = 0
    part: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("target\t") and not part:
            first = number
        elif not part and (not line or line.startswith("#")):
            continue
        elif not part or line.startswith("target\t"):
            raise _damaged(name, number, "a block begins with `target` and ends with `end`")
        part.append(line)
        if line.startswith("end\t"):
            yield first, part
            part = []
    if part:
        raise _damaged(name, first, "the block that begins here has no end: the file was cut")


@dataclass(slots=True)
class _Found:
    """The lines of a block that were read so far."""

    facts: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def take(self, line: str) -> None:
        """Read one line. Raises ValueError if it is none of a lock."""
        word, *values = line.split("\t")
        if word in {"target", "args", "seed", "level", "steps"}:
            (value,) = values
            self.facts[word] = unescaped(value)
        elif word in {"held", "noted"}:
            key, value = values
            (self.held if word == "held" else self.noted)[key] = unescaped(value)
        else:
            self.entries.append(entry_of(line))

    def block(self) -> Block:
        """Make the block of all that was read. Raises KeyError or ValueError where something is missing."""
        seed = self.facts.get("seed")
        args = tuple(shlex.split(self.facts.get("args", "")))
        target = LockedTarget(self.facts["target"], args, None if seed is None else whole(seed))
        level, steps = Level(self.facts["level"]), whole(self.facts["steps"])
        return Block(target, self.held, self.noted, level, steps, tuple(self.entries))


def _block(first: int, part: Sequence[str], name: str) -> Block:
    found = _Found()
    for number, line in enumerate(part[:-1], first):
        try:
            found.take(line)
        except ValueError as error:
            raise _damaged(name, number, "this is no line of a lock") from error
    if part[-1] != f"end\t{_checksum(part[:-1])}":
        last = first + len(part) - 1
        text = f"lines {first} to {last} do not fit their checksum: they were edited or merged by hand"
        raise _damaged(name, last, text)
    try:
        return found.block()
    except (KeyError, ValueError) as error:
        raise _damaged(name, first, f"the block that begins here is not whole ({error})") from error


def _damaged(name: str, line: int, detail: str) -> LockError:
    return LockError("lock-damaged", f"{name}:{line}: {detail}", _RESTORE.format(file=name))
