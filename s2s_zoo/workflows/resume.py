"""What is asked anew of a training that goes on: what may change, what may not."""

from collections.abc import Mapping
from typing import Any

from s2s_zoo.catalog import Preset, Recipe
from s2s_zoo.errors import UserError, named_path
from s2s_zoo.registry import canonical

CHANGEABLE = (
    "recipe.epochs",
    "recipe.max_steps",
    "recipe.patience",
    "recipe.validate_every",
    "recipe.checkpoint_every",
    "recipe.keep_checkpoints",
    "recipe.average",
)
"""Settings that say how long a training is and what it leaves, not what a step does."""


def renewed(
    stored: Mapping[str, Any], given: Mapping[str, Any], before: Preset[Any]
) -> dict[str, Any]:
    """The request of a training that goes on: as it was, with what may change.

    Args:
        stored: what the run was asked for.
        given: what is asked for now; what it does not mention stays.
        before: the preset with the settings of `stored`.

    Raises:
        UserError: names what cannot change.
    """
    old = before.settings()
    new = before.with_settings(given["settings"]).settings()
    changed = {p: new[p] for p in given["settings"] if new[p] != old[p]}
    refused = [
        f"{path} = {old[path]!r}, received {value!r}"
        for path, value in changed.items()
        if path not in CHANGEABLE
    ]
    refused += _other_start(stored, given)
    if refused:
        raise UserError(
            "A training goes on as it was begun. These cannot change:\n  "
            + "\n  ".join(refused)
            + "\nLeave them out, or start anew from its weights with --init-from"
        )
    data = stored["data"] or before.task.demo_corpus
    moved = given["data"] is not None and not _same(given["data"], data)
    return {
        **stored,
        "directory": given["directory"] if moved else stored["directory"],
        "data": given["data"] if moved else stored["data"],
        "settings": stored["settings"] | changed,
        "audio_root": given["audio_root"] or stored["audio_root"],
        "numerics": stored["numerics"] or given["numerics"],
    }


def _other_start(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is said of the weights a training starts from, where it was not so."""
    was, asked = stored["init_from"], given["init_from"]
    found = []
    if asked is not None and not (was and _same(asked, was)):
        found.append(f"--init-from was {was or 'not given'}, received {asked}")
    if given["init_partly"] and not stored["init_partly"]:
        found.append("--init-partly was not given")
    return found


def _same(one: str, other: str) -> bool:
    """Whether two paths, or two names of corpora, mean the same."""
    if named_path(one).exists():
        return named_path(one).resolve() == named_path(other).resolve()
    return canonical(one) == canonical(other)


def limits(recipe: Recipe, steps_per_epoch: int) -> tuple[int, str]:
    """The last step of a training, and the settings that make it the last."""
    by_epochs = recipe.epochs * steps_per_epoch
    last = min(by_epochs, recipe.max_steps or by_epochs)
    found = [f"recipe.epochs = {recipe.epochs}"] if by_epochs == last else []
    found += [f"recipe.max_steps = {last}"] if recipe.max_steps == last else []
    return last, " and ".join(found)
