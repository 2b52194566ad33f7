"""Token ids every text vocabulary begins with, and the pieces that stand for them."""

PAD, END, START, UNKNOWN = range(4)
SPECIAL_PIECES = ("<pad>", "</s>", "<s>", "<unk>")
