"""Language models from files, by what the files hold."""

from pathlib import Path

from s2s_zoo.errors import UserError
from s2s_zoo.ngrams.arpa import read_arpa
from s2s_zoo.ngrams.binary import MAGIC, read_binary
from s2s_zoo.ngrams.model import NGramModel


def load_language_model(path: str | Path) -> NGramModel:
    """The model in an ARPA file, plain or compressed by gzip, or in a binary of KenLM.

    Example:
        >>> import tempfile
        >>> from s2s_zoo import ngrams
        >>> model = ngrams.estimate_kneser_ney([["a", "rose"]], order=2).ngrams
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ngrams.write_arpa(f"{folder}/lm.arpa", model)
        ...     ngrams.load_language_model(f"{folder}/lm.arpa").order
        2

    Raises:
        UserError: it cannot be read, is damaged or of another type, with the line.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_binary = file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if is_binary:
        return read_binary(path)
    return NGramModel.from_ngrams(read_arpa(path))
