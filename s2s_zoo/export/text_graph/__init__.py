"""Raw text to token ids in TensorFlow operations, as SentencePiece does it."""
