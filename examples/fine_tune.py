"""Fine-tune a backbone of keras-hub on reviews, or on any labelled texts.

    python examples/fine_tune.py PRESET [DATA] [EPOCHS]

PRESET is the name of a keras-hub preset, bert_tiny_en_uncased say, or a local preset
directory; its tokenizer is used and saved with the model. The head learns at once, the
layers of the backbone one after another from the last down, at a tenth of the rate.
"""

import sys
from dataclasses import replace
from functools import partial

import keras

from s2s_zoo import register_preset
from s2s_zoo.decoders import ClassifierDecoder
from s2s_zoo.encoders import KerasHubEncoder
from s2s_zoo.features import TokenIds
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks import TextClassification
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train


def main(backbone: str, data: str = "demo_reviews", epochs: str = "2") -> None:
    """Train, measure and try a classifier."""
    small = PRESETS.get("sentiment_small")
    task = TextClassification(
        tokenizer="keras_hub", tokenizer_file=backbone, max_tokens=128
    )
    encoder = partial(
        KerasHubEncoder, backbone=backbone, unfreeze_every=20, learning_rate_factor=0.1
    )
    register_preset(
        replace(
            small,
            name="fine_tuned",
            task=task,
            features=partial(TokenIds),
            encoder=encoder,
            decoder=partial(ClassifierDecoder, pooling="mean"),
            recipe=replace(
                small.recipe, optimizer=partial(keras.optimizers.AdamW, clipnorm=1.0)
            ),
        )
    )
    settings = {"recipe.epochs": int(epochs)}
    result = train(preset="fine_tuned", data=data, settings=settings)
    accuracy = evaluate(run=result.run_dir, split="test").metrics["accuracy"]
    print(f"{accuracy:.1%} of the test split right")
    (found,) = infer(run=result.run_dir, inputs=["the plot is not bad at all"])
    for row in found["labels"]:
        print(f"{row['probability']:.1%} {row['label']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
