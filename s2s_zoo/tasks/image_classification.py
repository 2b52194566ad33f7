"""Classification of images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.data.image_batches import ImageBatches
from s2s_zoo.data.images import ImageReader, Pixels
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import check_range
from s2s_zoo.features.images import check_channels
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.tasks.base import Unit
from s2s_zoo.tasks.classification import Classification
from s2s_zoo.tasks.label_reader import SAMPLES, LabelReader, label_target
from s2s_zoo.typing import Arrays

MAX_SIDE = 1 << 13
SCALED_SIDE = 40


@dataclass(frozen=True)
class ImageClassification(Classification):
    """One label of an image.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        size: height and width that images are brought to.
        channels: 1 for grey or 3 for red, green and blue.
        shorter_side: what an image is scaled to before its middle is cut out; 0 for
            what just covers the size.
        augmentation: of images in training.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.data.labelled import Labelled
        >>> from s2s_zoo.tasks import ImageClassification
        >>> pixels = np.zeros((8, 8), "uint8")
        >>> images = [Labelled(name, pixels, name) for name in ("one", "two")]
        >>> task = ImageClassification(size=(8, 8), channels=1).fit(images)
        >>> task.labels, task.offers(32)["decoder"]
        (('one', 'two'), {'classes': 2})
    """

    name: ClassVar[str] = "image_classification"
    unit: ClassVar[Unit] = Unit("images", "images_per_second", " images/s")
    kind: ClassVar[str] = "labelled_images"
    evaluation_budget: ClassVar[float] = 128.0

    demo_corpus: str = "demo_digits"
    size: tuple[int, int] = (28, 28)
    channels: int = 1
    shorter_side: int = 0
    augmentation: ImageAugmentation = field(default_factory=ImageAugmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        for side in self.size:
            check_range("size", side, 1, MAX_SIDE)
        check_channels(self.channels)
        if self.shorter_side:
            check_range("shorter_side", self.shorter_side, max(self.size), MAX_SIZE)

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        image = {"size": self.size, "channels": self.channels}
        return {**super().offers(budget), "features": image}

    def scaled_settings(self) -> dict[str, Any]:
        side = min(*self.size, SCALED_SIDE)
        return {"size": (side, side), "shorter_side": 0, "classes": 5}

    @property
    def reader(self) -> ImageReader:
        """What reads images of the size of the task."""
        return ImageReader(self.size, self.channels, self.shorter_side)

    def batches(
        self, examples: Sequence[Labelled], training: bool = False, seed: int = 0
    ) -> ImageBatches:
        return ImageBatches(
            examples,
            self.numbers(examples),
            len(self.fitted_labels),
            self.reader,
            self.augmentation if training else None,
            seed,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Two images or more."""
        rng = np.random.default_rng(0)
        rows = max(2, round(budget))
        shape = (rows, 1, *self.size, self.channels)
        source = rng.integers(0, 256, shape, np.uint8)
        labels = rng.integers(0, len(self.fitted_labels), rows).tolist()
        lengths = np.ones(rows, np.int32)
        inputs = {"source": source, "source_lengths": lengths}
        return (inputs, label_target(labels, rows)), float(rows)

    def runner(self, model: Seq2Seq, search: Search) -> "ImageLabelReader":
        return ImageLabelReader(model, search, self)

    def as_example(self, raw: Any) -> Labelled:
        """A path of an image, or its pixels (H, W) or (H, W, C)."""
        is_path = isinstance(raw, (str, Path))
        return Labelled(str(raw) if is_path else "", str(raw) if is_path else raw, "")


@dataclass(frozen=True)
class ImageLabelReader(LabelReader):
    """Tells labels of image files and of arrays (H, W) or (H, W, C)."""

    task: ImageClassification

    def source(self, item: Any) -> Pixels:
        reader = self.task.reader
        return reader.centred(reader.read(item))[None]

    def noise(self) -> list[Pixels]:
        inputs = self.task.random_batch(SAMPLES)[0][0]
        return [source[0] for source in inputs["source"]]

    def image(self, source: NDArray[Any]) -> NDArray[Any]:
        pixels = source[0]
        return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


TASKS.register(ImageClassification.name, ImageClassification, __file__)
