"""What BLEU counts as words in languages that write none apart."""

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers import tokenizer_ja_mecab, tokenizer_ko_mecab

from s2s_zoo.errors import UserError
from s2s_zoo.metrics.bleu_tokenizer import BleuTokenizer, bleu_tokenizer
from s2s_zoo.metrics.translation import check_tokenizer, translation_scores

CHINESE = ["我喜欢吃苹果。", "今天天气很好,我们去公园吧。"]
JAPANESE = ["私はりんごを食べました。", "カタカナも日本語です。", "東京都庁"]
KOREAN = ["나는 사과를 먹었습니다.", "오늘은 날씨가 좋네요."]
THAI = ["ฉันชอบกินแอปเปิล", "วันนี้อากาศดี"]


@pytest.fixture
def installed(monkeypatch):
    """As if MeCab were installed with both dictionaries."""
    for module, name in (
        (tokenizer_ja_mecab, "TokenizerJaMecab"),
        (tokenizer_ko_mecab, "TokenizerKoMecab"),
    ):
        monkeypatch.setattr(getattr(module, name), "__init__", lambda self: None)
        monkeypatch.setattr(getattr(module, name), "signature", lambda self: "mecab")


@pytest.fixture
def missing(monkeypatch):
    """As if it were not."""
    for module in (tokenizer_ja_mecab, tokenizer_ko_mecab):
        monkeypatch.setattr(module, "MeCab", None)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        *((code, "zh") for code in ("zh", "ZH", "zh-CN", "zh_TW", "zho", "cmn")),
        *((code, "ja-mecab") for code in ("ja", "ja-JP", "jpn")),
        *((code, "ko-mecab") for code in ("ko", "ko_KR", "kor")),
        *((code, "char") for code in ("th", "km", "my", "lo")),
        *((code, "13a") for code in ("en", "de", "ru", "ar", "hi", "target")),
    ],
)
def test_the_language_decides_by_its_code(installed, language, name):
    assert bleu_tokenizer("auto", language, ["A dog."]) == BleuTokenizer(name)


@pytest.mark.parametrize("language", ["zh", "ja", "ko", "de", "en"])
def test_it_is_the_one_that_sacrebleu_prescribes(installed, language):
    found = bleu_tokenizer("auto", language, ["A dog."])
    prescribed = BLEU(trg_lang=language)
    assert type(BLEU(tokenize=found.name).tokenizer) is type(prescribed.tokenizer)


@pytest.mark.parametrize("language", ["target", "summary", "", "en", "de"])
@pytest.mark.parametrize(
    ("references", "name"),
    [
        (CHINESE, "zh"),
        (["他在 Microsoft 的 Windows 部门工作。"], "zh"),
        (JAPANESE, "ja-mecab"),
        (["Googleで検索してください。"], "ja-mecab"),
        (KOREAN, "ko-mecab"),
        (THAI, "char"),
        (["ខ្ញុំស្រលាញ់អ្នក"], "char"),
        (["Der Hund läuft.", "Er heißt 小明, sagt sie."], "13a"),
        (["Собака бежит."], "13a"),
        (["الكلب يجري"], "13a"),
        (["कुत्ता दौड़ता है।"], "13a"),
        (["1 2 3 !"], "13a"),
        (["", ""], "13a"),
    ],
)
def test_without_a_code_of_its_own_the_script_decides(
    installed, language, references, name
):
    assert bleu_tokenizer("auto", language, references).name == name


@pytest.mark.parametrize(
    ("language", "name", "extra"),
    [("ja", "ja-mecab", "ja"), ("ko-KR", "ko-mecab", "ko")],
)
def test_without_its_package_characters_are_counted_and_said(
    missing, language, name, extra
):
    found = bleu_tokenizer("auto", language, JAPANESE)
    assert found.name == "char"
    assert f"for want of {name}: pip install 's2s-zoo[{extra}]'" in found.remark
    with pytest.raises(UserError, match=rf"{name} is not installed: pip install"):
        check_tokenizer(name)


def test_what_is_chosen_stays(missing):
    assert bleu_tokenizer("13a", "zh", CHINESE) == BleuTokenizer("13a")
    assert bleu_tokenizer("ja-mecab", "de", ["A"]) == BleuTokenizer("ja-mecab")


@pytest.mark.parametrize(
    ("name", "package", "reference"),
    [("ja-mecab", "MeCab", JAPANESE[0]), ("ko-mecab", "mecab_ko", KOREAN[0])],
)
def test_japanese_and_korean_words_are_those_of_mecab(name, package, reference):
    pytest.importorskip(package, reason="the package is an extra")
    scores = translation_scores([reference], [reference], name)
    assert scores.metrics["bleu"] == pytest.approx(100)
    assert f"tok:{name}-" in scores.signature
