"""Which backend writes which format, known before any is started."""

BACKENDS = {"savedmodel": "tensorflow", "ctranslate2": None}
"""Of formats by name; None where any backend does."""
