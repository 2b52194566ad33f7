"""What models are for: data, objective, search and metrics in one value."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.tasks.audio_classification import AudioClassification
    from s2s_zoo.tasks.base import Task
    from s2s_zoo.tasks.classification import Classification
    from s2s_zoo.tasks.course import Course
    from s2s_zoo.tasks.evaluation import Evaluation, Outcome
    from s2s_zoo.tasks.image_classification import ImageClassification
    from s2s_zoo.tasks.language_modeling import LanguageModeling
    from s2s_zoo.tasks.neural_language_model import NeuralLanguageModel
    from s2s_zoo.tasks.runner import Result, Runner
    from s2s_zoo.tasks.speech_to_text import SpeechToText
    from s2s_zoo.tasks.styled_text_to_speech import StyledTextToSpeech
    from s2s_zoo.tasks.text_classification import TextClassification
    from s2s_zoo.tasks.text_to_speech import TextToSpeech
    from s2s_zoo.tasks.text_to_text import TextToText
    from s2s_zoo.tasks.vocoding import Vocoding

__all__ = [
    "AudioClassification",
    "Classification",
    "Course",
    "Evaluation",
    "ImageClassification",
    "LanguageModeling",
    "NeuralLanguageModel",
    "Outcome",
    "Result",
    "Runner",
    "SpeechToText",
    "StyledTextToSpeech",
    "Task",
    "TextClassification",
    "TextToSpeech",
    "TextToText",
    "Vocoding",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".audio_classification": ("AudioClassification",),
        ".base": ("Task",),
        ".classification": ("Classification",),
        ".course": ("Course",),
        ".evaluation": ("Evaluation", "Outcome"),
        ".image_classification": ("ImageClassification",),
        ".language_modeling": ("LanguageModeling",),
        ".neural_language_model": ("NeuralLanguageModel",),
        ".runner": ("Result", "Runner"),
        ".speech_to_text": ("SpeechToText",),
        ".styled_text_to_speech": ("StyledTextToSpeech",),
        ".text_classification": ("TextClassification",),
        ".text_to_speech": ("TextToSpeech",),
        ".text_to_text": ("TextToText",),
        ".vocoding": ("Vocoding",),
    },
)
