"""Backbones of keras-hub as encoders, from local presets with random weights."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.keras_hub import KerasHubEncoder
from s2s_zoo.errors import UserError
from s2s_zoo.features.keras_hub import KerasHubAudio, KerasHubImages
from s2s_zoo.hub import tokenizer_assets, tokenizer_from_assets

try:
    import keras_hub as hub
except ImportError:
    hub = None

pytestmark = pytest.mark.skipif(hub is None, reason="keras-hub is not installed")

BERT = {
    "vocabulary_size": 12,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": 16,
}
RESNET = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [3],
    "stackwise_num_filters": [64, 8],
    "stackwise_num_blocks": [1, 1],
    "stackwise_num_strides": [1, 2],
    "block_type": "basic_block",
    "use_pre_activation": True,
}
WHISPER = {**BERT, "num_mels": 80, "max_encoder_sequence_length": 100}
del WHISPER["max_sequence_length"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "##s", "fine"]
DESCRIBED = {"name": "keras_hub>BertBackbone", "config": BERT}
CONVERTER = {
    "name": "keras_hub>WhisperAudioConverter",
    "config": {"max_audio_length": 1},
}
PIXELS = {
    "name": "keras_hub>ResNetImageConverter",
    "config": {"image_size": [12, 12], "scale": [0.1, 0.2, 0.3], "offset": [1, 2, 3]},
}
EXAMPLES = {
    KerasHubEncoder: {
        "backbone": DESCRIBED,
        "frozen": 3,
        "unfreeze_every": 10,
        "learning_rate_factor": 0.5,
    },
    KerasHubAudio: {"converter": CONVERTER},
    KerasHubImages: {"size": (8, 6), "converter": PIXELS, "channels": 1},
}
LENGTHS = np.array([7, 3, 0])


@pytest.fixture
def bert(tmp_path):
    """A backbone, and the preset directory that it was written to."""
    keras.utils.set_random_seed(1)
    backbone = hub.models.BertBackbone(**BERT)
    backbone.save_to_preset(str(tmp_path / "bert"))
    hub.tokenizers.BertTokenizer(WORDS, lowercase=True).save_to_preset(
        str(tmp_path / "bert")
    )
    return backbone, tmp_path / "bert"


def tokens(size=7):
    ids = np.random.default_rng(0).integers(5, 12, (3, size), np.int32)
    return ids, np.arange(size)[None] < LENGTHS[:, None]


def encoded(encoder, x, mask):
    sequence, mask = encoder(ops.array(x), ops.array(mask), training=False)[:2]
    return ops.convert_to_numpy(sequence), ops.convert_to_numpy(mask)


def test_bert_gives_the_last_layer_of_the_preset(bert):
    backbone, directory = bert
    ids, mask = tokens()
    found, out_mask = encoded(KerasHubEncoder(str(directory)), ids, mask)
    inputs = {"token_ids": ids, "padding_mask": mask.astype("int32")}
    inputs["segment_ids"] = np.zeros_like(ids)
    wanted = ops.convert_to_numpy(backbone(inputs)["sequence_output"])
    np.testing.assert_allclose(found, wanted * mask[..., None], atol=1e-6)
    assert (out_mask == mask).all()


def test_padding_and_neighbours_change_nothing(bert):
    encoder = KerasHubEncoder(str(bert[1]))
    ids, mask = tokens(size=12)
    found, _ = encoded(encoder, ids, mask)
    alone, _ = encoded(encoder, ids[:1, :7], mask[:1, :7])
    np.testing.assert_allclose(found[:1, :7], alone, atol=1e-5)


def test_after_loading_the_preset_is_not_needed(bert):
    keras.utils.set_random_seed(2)
    encoder = KerasHubEncoder(str(bert[1]))
    found, _ = encoded(encoder, *tokens())
    shutil.rmtree(bert[1])
    again = KerasHubEncoder.from_config(encoder.get_config())
    again.build((None, None))
    again.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(encoded(again, *tokens())[0], found)


def test_places_of_an_image_are_the_memory():
    backbone = hub.models.ResNetBackbone(**RESNET)
    described = {"name": "keras_hub>ResNetBackbone", "config": RESNET}
    encoder = KerasHubEncoder(described)
    encoder.build((None, 16, 16, 3))
    encoder.model.set_weights(backbone.get_weights())
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    found, mask = encoded(encoder, images, np.array([[True], [False]]))
    wanted = ops.convert_to_numpy(backbone(images, training=False))
    np.testing.assert_allclose(found[0], wanted[0].reshape(-1, 8), atol=1e-6)
    assert found.shape == encoder.compute_output_shape((2, 16, 16, 3))
    assert mask.sum(1).tolist() == [found.shape[1], 0]


def test_of_whisper_the_encoder_alone_is_kept():
    keras.utils.set_random_seed(3)
    backbone = hub.models.WhisperBackbone(**WHISPER)
    described = {"name": "keras_hub>WhisperBackbone", "config": WHISPER}
    encoder = KerasHubEncoder(described)
    encoder.build((None, 100, 80))
    kept = {variable.path.split("/", 1)[-1] for variable in encoder.weights}
    assert not [path for path in kept if "decoder" in path]
    weights = {v.path: v for v in backbone.weights}
    for variable in encoder.weights:
        (name,) = [path for path in weights if variable.path.endswith(path)]
        variable.assign(weights[name])
    x = np.random.default_rng(0).normal(size=(2, 100, 80)).astype("float32")
    mask = np.arange(100)[None] < np.array([[100], [31]])
    found, out_mask = encoded(encoder, x, mask)
    inputs = {"encoder_features": x, "decoder_token_ids": np.ones((2, 1), "int32")}
    inputs["decoder_padding_mask"] = np.ones((2, 1), "int32")
    wanted = ops.convert_to_numpy(backbone(inputs)["encoder_sequence_output"])
    np.testing.assert_allclose(found, wanted * out_mask[..., None], atol=1e-5)
    assert out_mask.sum(1).tolist() == [50, 16]


def test_audio_is_prepared_as_by_the_converter():
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 12000)).astype("float32")
    converter = hub.layers.WhisperAudioConverter(max_audio_length=1)
    wanted = np.asarray(converter(audio * (np.arange(12000) < 9000)))
    lengths = np.array([9000, 9000], "int32")
    found, mask = KerasHubAudio(CONVERTER)(audio, lengths)
    np.testing.assert_allclose(ops.convert_to_numpy(found), wanted, atol=2e-4)
    assert ops.convert_to_numpy(mask).sum(1).tolist() == [57, 57]


def test_images_are_prepared_as_by_the_converter():
    source = np.random.default_rng(0).integers(0, 256, (2, 1, 16, 20, 3), np.uint8)
    converter = hub.layers.ResNetImageConverter(**PIXELS["config"])
    wanted = ops.convert_to_numpy(converter(source[:, 0].astype("float32")))
    features = KerasHubImages((16, 20), PIXELS)
    found, mask = features(source, np.array([1, 0], "int32"))
    np.testing.assert_allclose(ops.convert_to_numpy(found)[0], wanted[0], rtol=1e-5)
    assert tuple(found.shape) == features.feature_shape((2, 1, 16, 20, 3))
    assert ops.convert_to_numpy(mask).tolist() == [[True], [False]]


def test_lowest_layers_can_stay_as_they_are():
    some, every = KerasHubEncoder(DESCRIBED, frozen=4), KerasHubEncoder(DESCRIBED, -1)
    for encoder in (some, every):
        encoder.build((None, None))
    assert not every.trainable_variables
    paths = [v.path.split("/")[-1] for v in some.non_trainable_variables]
    assert sorted(paths).count("embeddings") >= 2
    learning = {v.path.split("/")[-3] for v in some.trainable_variables}
    assert learning
    assert not any("embedding" in name for name in learning)


def test_layers_begin_from_the_last_down():
    encoder = KerasHubEncoder(DESCRIBED, unfreeze_every=10, learning_rate_factor=0.5)
    encoder.build((None, None))
    begins = {path: rate.begin for path, rate in encoder.own_rates().items()}

    def begin(part):
        (found,) = {b for path, b in begins.items() if part in path}
        return found

    assert begin("transformer_layer_1") == 0
    assert begin("transformer_layer_0") == 10
    assert begin("embeddings_layer_norm") == 20
    assert {rate.factor for rate in encoder.own_rates().values()} == {0.5}


def test_what_is_no_preset_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"No backbone in .*nothing_there"):
        KerasHubEncoder(str(tmp_path / "nothing_there"))


@pytest.mark.parametrize(
    "described",
    [
        {"name": "keras_hub>WhisperAudioConverter", "config": {}},
        {"name": "os>system", "config": {}},
        {"name": "keras_hub>BertBackbone", "config": {"hidden_dim": 8}},
        {
            "name": "keras_hub>BertBackbone",
            "config": {"x": {"class_name": "system", "module": "os"}},
        },
    ],
)
def test_only_backbones_with_their_arguments_are_made(described):
    with pytest.raises(ValueError, match=r"Received|refuses"):
        KerasHubEncoder(described).build((None, None))


def test_features_that_a_backbone_cannot_read_are_refused():
    with pytest.raises(ValueError, match="the backbone reads"):
        KerasHubEncoder(DESCRIBED).build((None, None, 8))


def test_a_tokenizer_comes_back_from_its_files(bert):
    tokenizer = hub.tokenizers.Tokenizer.from_preset(str(bert[1]))
    assets = tokenizer_assets(tokenizer)
    shutil.rmtree(bert[1])
    again = tokenizer_from_assets(assets)
    assert list(np.asarray(again("The fine films"))) == [5, 8, 6, 7]
    with pytest.raises(UserError, match="no tokenizer of keras-hub"):
        tokenizer_from_assets({})


WITHOUT = """
import json, sys
sys.modules["tensorflow"] = sys.modules["tensorflow_text"] = None
from tests.encoders.test_keras_hub import DESCRIBED, WORDS, encoded, hub, tokens
from s2s_zoo.encoders import KerasHubEncoder
from s2s_zoo.hub import tokenizer_assets, tokenizer_from_assets
bert = hub.tokenizers.BertTokenizer(WORDS, lowercase=True)
again = tokenizer_from_assets(tokenizer_assets(bert))
print(json.dumps([encoded(KerasHubEncoder(DESCRIBED), *tokens())[0].shape,
                  [int(i) for i in again("The fine films")]]))
"""


def test_tensorflow_is_not_needed():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("the TensorFlow backend needs TensorFlow")
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    shape, ids = json.loads(done.stdout.splitlines()[-1])
    assert (shape, ids) == ([3, 7, 8], [5, 8, 6, 7])


def test_without_keras_hub_there_is_a_line_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(UserError, match=r"pip install 's2s-zoo\[hub\]'"):
        KerasHubEncoder("bert_tiny_en_uncased")
