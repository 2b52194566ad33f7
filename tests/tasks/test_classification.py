"""Classification as a task: labels, weights of classes, what is refused."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.metrics.classification import Prediction
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.image_classification import ImageClassification
from s2s_zoo.workflows.compare import compare
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.export import export
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train

RNG = np.random.default_rng(0)
COUNTS = {"bar": 30, "cross": 6, "dot": 4}
PRESET = PRESETS.get("resnet_small")
SETTINGS = {
    "task.size": (8, 8),
    "task.augmentation.padding": 1,
    "encoder.width": 4,
    "encoder.blocks": (1,),
    "recipe.batch": 8.0,
    "recipe.epochs": 30,
    "recipe.schedule.warmup": 10,
}


def image(label):
    pixels = RNG.integers(0, 60, (8, 8), np.uint8)
    pixels[3:5, 3:5] += 150
    if label != "dot":
        pixels[3:5] = 200
    if label == "cross":
        pixels[:, 3:5] = 200
    return pixels


def examples(counts):
    found = [(label, i) for label, count in counts.items() for i in range(count)]
    return [Labelled(f"{label}{i}", image(label), label) for label, i in found]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders with more of one class than of the others."""
    directory = tmp_path_factory.mktemp("shapes")
    few = dict.fromkeys(COUNTS, 4)
    for split, counts in {"train": COUNTS, "validation": few, "test": few}.items():
        for example in examples(counts):
            path = directory / split / example.label / f"{example.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(example.source).save(path)
    return directory


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "one"
    settings = SETTINGS | {"recipe.class_weight": "balanced"}
    train(preset="resnet_small", data=str(data), run_dir=directory, settings=settings)
    return directory


def test_learns_the_labels_of_its_examples():
    task = ImageClassification().fit(examples(COUNTS))
    assert task.labels == ("bar", "cross", "dot")
    assert task.counts == (30, 6, 4)
    assert task.offers(8)["decoder"] == {"classes": 3}
    assert ImageClassification().with_assets(task.assets()) == task
    assert task.amount(examples(COUNTS)) == "of 3 classes, 4 to 30 of each"
    told = task.amount(examples(COUNTS | {"bar": 50}))
    assert told.endswith("recipe.class_weight=balanced weighs them")
    with pytest.raises(UserError, match=r"two labels or more .*Received: 'bar'"):
        ImageClassification().fit(examples({"bar": 3}))


def test_balanced_classes_count_alike():
    """N / (C n): the weights of the examples of each class add up to N / C."""
    task = ImageClassification().fit(examples(COUNTS))
    weights = task.weighed("balanced").objective.class_weights
    assert weights == pytest.approx((40 / (3 * 30), 40 / (3 * 6), 40 / (3 * 4)))
    assert task.weighed("none") == task
    with pytest.raises(UserError, match=r"recipe\.class_weight weighs no CrossEntropy"):
        ImageClassification(objective=CrossEntropy()).weighed("balanced")
    with pytest.raises(UserError, match="none where there are no classes"):
        PRESETS.get("transformer_tiny").task.weighed("balanced")


def test_other_labels_are_refused():
    model = PRESET.with_settings(SETTINGS).build()
    task = ImageClassification().fit(examples(COUNTS))
    known = examples({"bar": 1})
    assert task.select(model, known, "here").usable == known
    with pytest.raises(UserError, match=r"the 3 labels are bar, cross, dot\. Received"):
        task.select(model, examples({"bar": 1, "star": 2}), "here")
    with pytest.raises(UserError, match="no labelled_images in here"):
        task.select(model, [], "here")


@pytest.mark.parametrize(
    "stored",
    [
        b"\xff",
        b"[]",
        b'{"labels": ["a"], "counts": [1]}',
        b'{"labels": ["a", "a"], "counts": [1, 1]}',
        b'{"labels": ["a", "b"], "counts": [1, 0]}',
        b'{"labels": ["a", 2], "counts": [1, 1]}',
    ],
)
def test_damaged_labels_are_refused(stored):
    with pytest.raises(UserError, match=r"labels\.json: "):
        ImageClassification().with_assets({"labels.json": stored})


def test_what_cannot_be_read_is_wrong():
    task = ImageClassification().fit(examples(COUNTS))
    sure = Prediction.of(["bar", "dot"], 1.0)
    found = task.measures([Outcome("1", "bar", sure), Outcome("2", "bar", "")])
    assert found["accuracy"].value == 0.5
    assert found["calibration_error"].value == 0


def test_mixed_batches_are_images_and_shares():
    mixing = ImageAugmentation(mixup=1.0)
    task = ImageClassification(size=(8, 8), augmentation=mixing)
    task = task.fit(examples(COUNTS))
    batches = task.batches(examples(COUNTS), training=True)
    plan = batches.plan(16, shuffle=True)
    first, *_, last = sorted(plan.epoch(0), key=lambda b: -len(b.indices))
    inputs, target = batches.load(first, epoch=0)
    again = batches.load(first, epoch=0)
    np.testing.assert_array_equal(inputs["source"], again[0]["source"])
    np.testing.assert_allclose(target["shares"].sum(1), 1, rtol=1e-6)
    assert "shares" not in batches.load(first)[1]
    inputs, target = batches.load(last, epoch=1)
    empty = inputs["source_lengths"] == 0
    assert empty.sum() == 8
    assert (target["shares"][empty] == 0).all()
    assert (target["target"][empty] == -1).all()


def test_a_run_from_training_to_inference(data, run, tmp_path):
    plots = run / "plots"
    assert (plots / "evaluation.png").is_file()
    assert (plots / "example.png").is_file()
    found = evaluate(run=run, plot=tmp_path / "confusion.png", by="label")
    assert (tmp_path / "confusion.png").is_file()
    assert found.metrics["accuracy"] >= 0.9
    assert set(found.groups) == set(COUNTS)
    assert found.breakdown.summary["classes"].keys() == COUNTS.keys()
    files = [str(data / "test" / label / f"{label}0.png") for label in COUNTS]
    broken = tmp_path / "broken.png"
    broken.touch()
    results = infer(run=run, inputs=[*files, str(broken)], search="top=2")
    assert "not an image" in results[3]["error"]
    for result in json.loads(json.dumps(results))[:3]:
        ranked = result["labels"]
        assert len(ranked) == 2
        assert result["output"] == ranked[0]["label"]
        assert result["probability"] == ranked[0]["probability"]
        assert 0 < sum(found["probability"] for found in ranked) <= 1 + 1e-6
    difference = compare(first=run, second=run).differences["accuracy"]
    assert (difference.low, difference.high) == (0, 0)
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    assert model.task.labels == tuple(COUNTS)
    assert len(model.task.objective.class_weights) == 3
    pixels = [np.asarray(Image.open(file)) for file in files]
    assert model.generate(pixels) == [result["output"] for result in results[:3]]


def test_an_unreadable_image_of_a_batch_counts_as_nothing(data, run, tmp_path):
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    task = model.task
    broken = tmp_path / "broken.png"
    broken.touch()
    known = task.read(str(data), "test")[:3]
    batches = task.batches([*known, Labelled("broken", str(broken), "bar")])
    batch = batches.plan(4, shuffle=False).epoch(0)[0]
    inputs, target = batches.load(batch)
    assert list(batches.unreadable) == ["broken"]
    output = model.predict_on_batch(inputs)
    alone, wanted = task.batches(known), {n: v[:3] for n, v in target.items()}
    inputs = alone.load(alone.plan(3, shuffle=False).epoch(0)[0])[0]
    both = task.loss(target, output), task.loss(wanted, model.predict_on_batch(inputs))
    one, other = (float(ops.convert_to_numpy(loss)) for loss in both)
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.usefixtures("warm_exports")
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)
def test_is_exported(run, tmp_path):
    exported = export(run=run, output=tmp_path / "exported")
    assert exported.max_abs_difference < 1e-4
    described = json.loads((tmp_path / "exported" / "serving.json").read_text())
    assert described["labels"] == list(COUNTS)
