"""A folder run that goes on where another one stopped."""

from __future__ import annotations

from collections.abc import Sequence

from .jobs import Job, Result
from .manifest import Manifest
from .messages import Args, Work, message_line, print_err
from .pool import run_jobs

FEW = 10
"""Files that are named once more at the end of a run, when they have failed."""


def run_what_is_left(manifest: Manifest, work: Work, args: Args, jobs: Sequence[Job]) -> list[int]:
    """Do the files that a record does not hold, and write them down; returns their exit statuses."""
    left = [job for job in jobs if not manifest.has(job)]
    if len(left) < len(jobs):
        done = f"{len(jobs) - len(left)} of {len(jobs)} files are done already, as {manifest.path} says"
        _note(args, f"{done}; without that file they are done again")
    elif left and manifest.is_of_others():
        _note(args, "options, models or version are not those of the last run: every file is done again")
    keeper = _Keeper(manifest, args)
    try:
        return run_jobs(work, args, left, keeper.keep)
    finally:
        manifest.close()
        failed = keeper.failed
        if failed and len(jobs) > FEW:
            more = f" and {len(failed) - FEW} more" if len(failed) > FEW else ""
            _note(args, f"{len(failed)} of {len(jobs)} files failed: {', '.join(failed[:FEW])}{more}")


class _Keeper:
    """Writes down what came of files, as long as that can be written."""

    def __init__(self, manifest: Manifest, args: Args):
        self._manifest, self._args = manifest, args
        self._writable = True
        self.failed: list[str] = []

    def keep(self, job: Job, result: Result) -> None:
        if result.failed:
            self.failed.append(job.name)
        try:
            if self._writable:
                self._manifest.add(job, result)
        except OSError as error:
            self._writable = False
            what = f"no record is kept, and another run begins anew: {error.strerror}"
            _note(self._args, f"{what} ({self._manifest.path})")


def _note(args: Args, text: str) -> None:
    print_err(message_line(args.program, f"note: {text}"))
