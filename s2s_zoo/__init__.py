"""s2s-zoo: sequence-to-sequence models on Keras 3.

`Seq2Seq.from_preset("deepspeech2-small")` is a model; `s2s-zoo train` trains it. What
models are made of is in `layers`, `features`, `encoders`, `decoders`, `losses`,
`optimizers`, `search`, `metrics` and `tasks`; `ngrams` holds language models.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo import (
        decoders,
        encoders,
        features,
        layers,
        losses,
        metrics,
        ngrams,
        optimizers,
        search,
        tasks,
    )
    from s2s_zoo.catalog import Preset, Recipe, list_presets, register_preset
    from s2s_zoo.decoders.base import Decoder
    from s2s_zoo.encoders.base import Encoder
    from s2s_zoo.models.seq2seq import Seq2Seq
    from s2s_zoo.version import __version__

__all__ = [
    "Decoder",
    "Encoder",
    "Preset",
    "Recipe",
    "Seq2Seq",
    "__version__",
    "decoders",
    "encoders",
    "features",
    "layers",
    "list_presets",
    "losses",
    "metrics",
    "ngrams",
    "optimizers",
    "register_preset",
    "search",
    "tasks",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".catalog": ("Preset", "Recipe", "list_presets", "register_preset"),
        ".decoders.base": ("Decoder",),
        ".encoders.base": ("Encoder",),
        ".models.seq2seq": ("Seq2Seq",),
        ".version": ("__version__",),
    },
    packages=(
        *("decoders", "encoders", "features", "layers", "losses", "metrics"),
        *("ngrams", "optimizers", "search", "tasks"),
    ),
)

_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "presets").is_dir():
    # In a checkout presets/ and cli/ lie beside this package; a wheel has them inside.
    __path__.append(str(_root))

if "keras" in sys.modules:
    # Whoever has Keras may load a saved model next, which looks the class up by name.
    import_module("s2s_zoo.models.seq2seq")
