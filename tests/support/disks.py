"""File systems of their own, that are full when a test wants it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kafka_meta.playground.jars import java


def can_mount() -> bool:
    """Whether this system lets us mount in a namespace of our own (Linux, unless user namespaces are forbidden)."""
    try:
        return (
            subprocess.run(
                ["unshare", "--map-root-user", "--mount", "true"], capture_output=True, check=False
            ).returncode
            == 0
        )
    except FileNotFoundError:
        return False


class SmallDisk:
    """A file system in memory; only commands that begin with the words of `inside` see it, in `folder`.

    A namespace of its own lets everybody mount, not root alone, and takes the mount with it, whatever ends us.
    """

    def __init__(self, folder: Path, size: str) -> None:
        self.folder, self._java_home = folder / "disk", folder / "java"
        self.folder.mkdir()
        mount_on_demand = (
            'mount -t tmpfs tmpfs "$0" && while read size; do mount -o "remount,size=$size" tmpfs "$0"; echo; done'
        )
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-e", "-c", mount_on_demand, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.resize(size)
        self.inside: Sequence[str] = (
            *("nsenter", "--preserve-credentials", "--user", "--mount"),
            *("--target", str(self._holder.pid), "--"),
        )

    def java_home(self) -> Path:
        """Of a `java` that sees the disk, for the log directory of a broker. (A log directory below /proc/…/root would
        need no `java` of ours, but Java cannot tell the size of such a disk.)"""
        (self._java_home / "bin").mkdir(parents=True)
        (self._java_home / "bin" / "java").write_text(f'#!/bin/sh\nexec {shlex.join((*self.inside, java()))} "$@"\n')
        (self._java_home / "bin" / "java").chmod(0o755)
        return self._java_home

    def resize(self, size: str) -> None:
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.write(f"{size}\n".encode())
        self._holder.stdin.flush()
        assert self._holder.stdout.readline() == b"\n", "nothing can be mounted here"

    def fill(self) -> None:
        """Takes all the room that is left."""
        filling = f"cat /dev/zero > {shlex.quote(str(self.folder / 'filler'))}"
        done = subprocess.run([*self.inside, "sh", "-c", filling], capture_output=True, text=True, check=False)
        assert "No space left" in done.stderr, done.stderr

    def make_room(self) -> None:
        subprocess.run([*self.inside, "rm", str(self.folder / "filler")], check=True)

    def close(self) -> None:
        self._holder.communicate()
