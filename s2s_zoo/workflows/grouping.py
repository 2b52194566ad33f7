"""Examples by what a column of their manifest says of them."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from s2s_zoo.errors import UserError
from s2s_zoo.metrics.breakdown import Group
from s2s_zoo.tasks.base import SEED, Task
from s2s_zoo.tasks.evaluation import Evaluation

NO_VALUE = ""


def rows_by(
    task: Task, examples: Sequence[Any], column: str, where: str
) -> dict[str, list[int]]:
    """The numbers of examples by their value in a column, "" where they have none.

    Args:
        task: knows the columns of its examples.
        examples: as it reads them.
        column: of their manifest.
        where: what messages call the examples.

    Raises:
        UserError: no example has a value there; says which columns there are.
    """
    known: dict[str, Any] = {}
    rows: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        columns = task.columns(example)
        known |= dict.fromkeys(name for name, value in columns.items() if _text(value))
        rows.setdefault(_text(columns.get(column)), []).append(row)
    if not known:
        raise UserError(
            f"{where}: {task.kind} have no columns to group by. Received: {column!r}"
        )
    if column not in known:
        raise UserError(
            f"{where}: the columns with values are {', '.join(known)}. "
            f"Received: {column!r}"
        )
    return rows


def measure_groups(
    task: Task, evaluation: Evaluation, rows: Mapping[str, Sequence[int]]
) -> dict[str, Group]:
    """The task's own metric of each group, the worst first, those without one last.

    Args:
        task: knows the metrics.
        evaluation: of all examples, with its breakdown.
        rows: numbers of the examples of each group.
    """
    measure = task.measures(evaluation.outputs)[task.metric]
    sign = 1 if task.higher_is_better else -1
    groups = {
        value: Group.of(
            task.metric, measure, evaluation.breakdown, rows=numbers, seed=SEED
        )
        for value, numbers in rows.items()
    }

    def order(value: str) -> tuple[bool, float, str]:
        found = groups[value].value
        return (True, 0.0, value) if math.isnan(found) else (False, sign * found, value)

    return {value: groups[value] for value in sorted(groups, key=order)}


def _text(value: object) -> str:
    if value is None:
        return NO_VALUE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
