"""Images, each with a label."""

from dataclasses import dataclass
from typing import Any, ClassVar

from s2s_zoo.data.images import ENDINGS, ImageReader
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.labelled import LabelledKind


@dataclass(frozen=True)
class LabelledImages(LabelledKind):
    """Images in folders, tables or arrays."""

    name: ClassVar[str] = "labelled_images"
    prefix: ClassVar[str] = "img"
    preset: ClassVar[str] = "resnet_small"
    accepted: ClassVar[str] = (
        "folders of images, train/LABEL/FILE.png; a table (.csv, .tsv, .jsonl) with "
        "the columns label,path; arrays (.npz) x (N, H, W) or (N, H, W, C) and y, or "
        "x_train, y_train, x_test, y_test"
    )
    endings: ClassVar[tuple[str, ...]] = ENDINGS
    has_arrays: ClassVar[bool] = True

    def content(self, source: Any) -> bytes:
        """The pixels, in colours, behind the shape they have."""
        pixels = ImageReader((1, 1), channels=3).read(source)
        return repr(pixels.shape).encode() + pixels.tobytes()


KINDS.register(LabelledImages.name, LabelledImages(), __file__)
