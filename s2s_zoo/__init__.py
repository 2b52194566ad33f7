"""s2s-zoo: sequence-to-sequence models on Keras 3.

`Seq2Seq.from_preset("deepspeech2-small")` is a model; `s2s-zoo train` trains it.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_zoo.version import __version__

if TYPE_CHECKING:
    from s2s_zoo.catalog import Preset, Recipe, list_presets, register_preset
    from s2s_zoo.decoders.base import Decoder
    from s2s_zoo.encoders.base import Encoder
    from s2s_zoo.models.seq2seq import Seq2Seq


_HOME = {
    "Decoder": "s2s_zoo.decoders.base",
    "Encoder": "s2s_zoo.encoders.base",
    "Preset": "s2s_zoo.catalog",
    "Recipe": "s2s_zoo.catalog",
    "Seq2Seq": "s2s_zoo.models.seq2seq",
    "list_presets": "s2s_zoo.catalog",
    "register_preset": "s2s_zoo.catalog",
}

__all__ = [
    "Decoder",
    "Encoder",
    "Preset",
    "Recipe",
    "Seq2Seq",
    "__version__",
    "list_presets",
    "register_preset",
]

_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "presets").is_dir():
    # In a checkout presets/ and cli/ lie beside this package; a wheel has them inside.
    __path__.append(str(_root))


def __getattr__(name: str) -> Any:
    """Import public names when first used: the command line starts without Keras."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


if "keras" in sys.modules:
    # Whoever has Keras may load a saved model next, which looks the class up by name.
    import_module("s2s_zoo.models.seq2seq")
