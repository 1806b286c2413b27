"""Real git repositories for the tests, with no configuration of the user's."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = {
    f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
ENVIRONMENT = {**NAMES, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


_OF_GIT = ".git/packed-refs"
"""git writes it anew, even empty, whenever it deletes a reference; what is in it is listed anyway."""


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree."""

    root: Path

    def git(self, *arguments):
        command = ["git", *arguments]
        ended = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=True,
        )
        return ended.stdout.strip()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message, files=None):
        """Write files (their texts by their names), commit everything, and return the hash."""
        for name, text in (files or {}).items():
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def everything(self):
        """All that must be the same before and after: files, index, branches, work trees, configuration."""
        files = {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
            and not path.as_posix().endswith(_OF_GIT)
            and ".git/objects" not in path.as_posix()
        }
        return files, self.git("worktree", "list"), self.git("for-each-ref"), self.git("stash", "list")


def make(folder: Path) -> Repository:
    """An empty repository."""
    folder.mkdir(parents=True)
    repository = Repository(folder.resolve())
    repository.git("init", "--quiet", "--initial-branch", "main")
    return repository
