"""The same measurements by Ray Data, for data sets that outgrow a machine.

Images, networks and the model are read from the same paths on every machine.
A cache on a shared file system is shared by all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from .plan import Job, Plan, Row
from .worker import Worker


class _Measure:
    """An actor of Ray: a worker that lives as long as the actor does."""

    def __init__(self, plan: Plan, jobs: Sequence[Job]):
        self.worker, self.jobs = Worker(plan), jobs

    def __call__(self, item: dict[str, int]) -> dict[str, str]:
        """The measurements of a job, by its number; as JSON, because answers fit no column."""
        return {"rows": json.dumps(self.worker.rows(self.jobs[int(item["job"])]))}


def measured_by_ray(plan: Plan, jobs: Sequence[Job], processes: int) -> Iterator[list[Row]]:
    """Measurements of jobs, in the order in which they are done.

    Args:
        processes: actors, each on a core of some machine.

    Raises:
        ImportError: Ray is not installed.
    """
    import ray.data

    numbers = ray.data.from_items([{"job": k} for k in range(len(jobs))], override_num_blocks=len(jobs))
    found = numbers.map(
        _Measure, fn_constructor_args=(plan, jobs), compute=ray.data.ActorPoolStrategy(size=processes)
    )
    for row in found.iter_rows():
        yield json.loads(row["rows"])
