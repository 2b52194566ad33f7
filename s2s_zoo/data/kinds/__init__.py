"""The kinds of examples that data can hold: one file each."""

from typing import TYPE_CHECKING, Any

from s2s_zoo.registry import Registry

if TYPE_CHECKING:
    from s2s_zoo.data.kinds.base import Kind

KINDS: Registry["Kind[Any]"] = Registry(
    "kind of data", "s2s_zoo.data.kinds", "s2s_zoo.kinds"
)
