"""One file done by a command, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import SdcError
from .messages import (
    DONE,
    Args,
    InternalError,
    Out,
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
    """A file to work on: where it is, where its output goes (nowhere for some commands), what to call it."""

    source: str
    target: str = ""
    name: str = ""


@dataclass
class Result:
    """What came of a file: exit status, and lines for standard output and standard error."""

    status: int = DONE
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)


def attempt(work: Work, args: Args, job: Job) -> Result:
    """Do one file."""
    try:
        if job.target:
            check_output(args, job.source, job.target)
        said = work(args, job.source, job.target)
    except Exception as error:
        return refused(args, as_error(error), job.name)
    result = Result(worst_status(status_of(s) for s in said))
    for s in said:
        if isinstance(s, Out):
            result.out.append(s)
        else:
            result.err.append(
                message_line(args.program, s if isinstance(s, SdcError) else f"note: {s}", job.name)
            )
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
