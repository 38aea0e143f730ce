"""One file done by a command, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import SdcError
from ..notes import Passing
from .identity import Identity, identity_of
from .messages import (
    DONE,
    IN_PART,
    Args,
    InternalError,
    Out,
    Said,
    Work,
    as_error,
    message_line,
    print_err,
    print_out,
    status_of,
    worst_status,
)
from .refusals import check_output


@dataclass(frozen=True)
class Job:
    """A file to work on.

    Attributes:
        source: where it is.
        target: where its output goes; nowhere for some commands.
        name: what to call it.
        read: files that decide what the output is, for those who keep a record of it; may be empty.
    """

    source: str
    target: str = ""
    name: str = ""
    read: tuple[str, ...] = ()


@dataclass
class Result:
    """What came of a file.

    Attributes:
        status: exit status.
        out, err: lines for standard output and standard error.
        passing: whether it may go better the next time, though nothing changes.
        seconds: that it took.
        read, made: the files that were read and the one that was written, where a record is kept.
    """

    status: int = DONE
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    passing: bool = False
    seconds: float = 0.0
    read: Sequence[Identity | None] = ()
    made: Identity | None = None

    @property
    def failed(self) -> bool:
        """Whether it came to nothing."""
        return self.status not in (DONE, IN_PART)


def attempt(work: Work, args: Args, job: Job) -> Result:
    """Do one file."""
    began = time.monotonic()
    # Before: what changes while it is read is then another file the next time.
    read = [identity_of(path) for path in job.read]
    result = _attempt(work, args, job)
    if job.read:
        result.read, result.made = read, identity_of(job.target)
    result.seconds = time.monotonic() - began
    return result


def _attempt(work: Work, args: Args, job: Job) -> Result:
    try:
        if job.target:
            check_output(args, job.source, job.target)
        said = work(args, job.source, job.target)
    except Exception as error:
        return refused(args, as_error(error), job.name)
    result = told(args, said, job.name)
    result.passing = any(isinstance(s, Passing) for s in said)
    return result


def told(args: Args, said: Said, name: str = "") -> Result:
    """What there is to say, of a file or of all."""
    result = Result(worst_status(status_of(s) for s in said))
    for s in said:
        if isinstance(s, Out):
            result.out.append(s)
        else:
            line = s if isinstance(s, SdcError) else f"note: {s}"
            result.err.append(message_line(args.program, line, name))
    return result


def refused(args: Args, error: SdcError | InternalError, name: str) -> Result:
    """What came of a file that an error kept from being done."""
    return Result(status_of(error), err=[message_line(args.program, error, name)])


def show(result: Result) -> int:
    """Print what was said of a file; returns its exit status."""
    for line in result.out:
        print_out(line + "\n")
    for line in result.err:
        print_err(line)
    return result.status
