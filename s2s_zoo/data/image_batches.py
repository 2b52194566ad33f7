"""Labelled images to batches of bytes and label numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.data.images import ImageReader, Pixels
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.errors import UserError
from s2s_zoo.typing import Arrays


@dataclass(frozen=True)
class ImageBatches:
    """The batches of a set of images, all of one shape.

    Attributes:
        examples: what is read.
        numbers: (N,) of their labels.
        classes: how many labels there are.
        reader: of the size that is wanted.
        augmentation: applied while training, None for none.
        seed: of the order, and of the augmentation of each (epoch, image).
        unreadable: why images met so far could not be read, by name.
    """

    examples: Sequence[Labelled]
    numbers: NDArray[np.int32]
    classes: int
    reader: ImageReader
    augmentation: ImageAugmentation | None = None
    seed: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` images."""
        ones = np.ones(len(self.examples), np.int64)
        return BatchPlan(ones, ones, int(budget), 1, self.seed, shuffle)

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; rows without a readable image are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: augments when given.

        Returns:
            Source `source` (R, 1, H, W, C) uint8 with `source_lengths` (R,), and target
            `target` (R, 1) int32 with `target_lengths`; of mixed images their `shares`
            (R, K) of classes too.
        """
        rows = batch.bucket.rows
        images = [self._image_or_nothing(i, epoch) for i in batch.indices]
        source, lengths = pad(images, rows, 1, 0)
        numbers = [self.numbers[i : i + 1] for i in batch.indices]
        target, _ = pad(numbers, rows, 1, -1)
        inputs = {"source": source, "source_lengths": lengths}
        wanted = {"target": target, "target_lengths": lengths}
        if epoch is not None and self.augmentation and self.augmentation.mixup:
            place = (self.seed, epoch, batch.indices[0])
            rng = np.random.default_rng(place)
            self._mix(self.augmentation, inputs, wanted, rng)
        return inputs, wanted

    def units(self, inputs: Arrays) -> float:
        """Images in the inputs of a batch."""
        return float(inputs["source_lengths"].sum())

    def names(self, batch: Batch) -> list[str]:
        """What messages call the images of a batch."""
        return [self.examples[i].name for i in batch.indices]

    def _mix(
        self,
        augmentation: ImageAugmentation,
        inputs: Arrays,
        wanted: Arrays,
        rng: np.random.Generator,
    ) -> None:
        """Mix the images that there are, and tell of what classes they are."""
        real = np.flatnonzero(inputs["source_lengths"])
        shares = np.zeros((len(inputs["source"]), self.classes), np.float32)
        shares[real, wanted["target"][real, 0]] = 1
        source = inputs["source"]
        source[real, 0], shares[real] = augmentation.mix(
            source[real, 0], shares[real], rng
        )
        wanted["shares"] = shares

    def _image_or_nothing(self, index: int, epoch: int | None) -> Pixels:
        """(1, H, W, C), or (0, H, W, C) where it cannot be read."""
        example = self.examples[index]
        try:
            return self._image(example, index, epoch)[None]
        except UserError as error:
            self.unreadable[example.name] = str(error)
            return np.zeros((0, *self.reader.size, self.reader.channels), np.uint8)

    def _image(self, example: Labelled, index: int, epoch: int | None) -> Pixels:
        pixels = self.reader.read(example.source)
        if epoch is None or self.augmentation is None:
            return self.reader.centred(pixels)
        rng = np.random.default_rng((self.seed, epoch, index))
        return self.augmentation(pixels, self.reader, rng)
