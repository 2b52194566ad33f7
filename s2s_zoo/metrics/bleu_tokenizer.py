"""What BLEU counts as words, by the language of the target or the script it is in.

sacreBLEU prescribes `zh`, `ja-mecab` and `ko-mecab` for Chinese, Japanese and Korean,
and `13a` for languages that write spaces between words (Post, "A call for clarity in
reporting BLEU scores", WMT 2018; README of sacreBLEU). Scripts without such spaces
that it has no tokenizer for are cut into characters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from s2s_zoo.metrics.translation import install_command, is_installed

AUTO = "auto"
FALLBACK = "char"
LANGUAGES = {
    "zh": ("zh", "zho", "chi", "cmn", "yue"),
    "ja-mecab": ("ja", "jpn"),
    "ko-mecab": ("ko", "kor"),
    "char": ("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bo", "bod", "dz"),
}
"""ISO 639 codes."""
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9d]")
HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
UNSPACED = re.compile("[\u0e01-\u0ede\u0f00-\u0fbc\u1000-\u109f\u1780-\u17d3]")
"""Thai, Lao, Tibetan, Burmese and Khmer."""
LETTER = re.compile(r"[^\W\d_]")
SHARE = 0.2
"""Of the letters that a script needs: foreign names are many letters, but few words."""
KANA_SHARE = 0.1
"""Of kana among them, from which on Chinese characters are Japanese."""


@dataclass(frozen=True)
class BleuTokenizer:
    """A tokenizer of sacreBLEU.

    Attributes:
        name: as sacreBLEU calls it.
        remark: what people should know of the choice, to stand behind a signature.
    """

    name: str
    remark: str = ""


def bleu_tokenizer(
    chosen: str, language: str, references: Sequence[str]
) -> BleuTokenizer:
    """The tokenizer to measure with.

    Args:
        chosen: its name, or "auto" for the one that is prescribed.
        language: of the references: a code such as "zh", "zh-TW" or "jpn", which
            decides where it prescribes a tokenizer; any other word leaves it to the
            script.
        references: what was to be written.

    Returns:
        The prescribed one, or `char` with a remark where its package is missing.
    """
    if chosen != AUTO:
        return BleuTokenizer(chosen)
    name = _by_language(language) or _by_script("".join(references))
    if is_installed(name):
        return BleuTokenizer(name)
    remark = f", in characters for want of {name}: {install_command(name)}"
    return BleuTokenizer(FALLBACK, remark)


def _by_language(language: str) -> str | None:
    code = re.split("[-_]", language.strip().lower())[0]
    found = (name for name, codes in LANGUAGES.items() if code in codes)
    return next(found, None)


def _by_script(text: str) -> str:
    kana, han = _count(KANA, text), _count(HAN, text)
    japanese = kana > KANA_SHARE * (kana + han)
    counts = {
        "ja-mecab" if japanese else "zh": kana + han,
        "ko-mecab": _count(HANGUL, text),
        FALLBACK: _count(UNSPACED, text),
    }
    name = max(counts, key=counts.__getitem__)
    enough = counts[name] > SHARE * _count(LETTER, text)
    return name if enough else "13a"


def _count(characters: re.Pattern[str], text: str) -> int:
    return len(text) - len(characters.sub("", text))
