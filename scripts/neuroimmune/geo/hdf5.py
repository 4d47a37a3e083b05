"""Open HDF5 files that may be damaged, and read their arrays within bounds."""

from contextlib import contextmanager

from ..errors import UserError
from .archives import MAX_RATIO, RATIO_FREE

HDF5 = b"\x89HDF\r\n\x1a\n"


@contextmanager
def opened(file, where):
    """The h5py.File of a path or of a binary stream; UserError for whatever a damaged one does."""
    import h5py

    try:
        with h5py.File(file, "r") as h5:
            yield h5
    except UserError:
        raise
    except Exception as error:  # a damaged file makes h5py raise almost anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise UserError(f"{where}: damaged, cut off, or no file of this kind ({reason})") from None


def read_array(dataset, where, rows=slice(None)):
    """NumPy array of a dataset, or of some of its rows.

    Raises UserError where it would be far larger than what the file holds of it.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise UserError(f"{where}: {dataset.name} is a group; expected an array")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(RATIO_FREE, MAX_RATIO * stored):
        raise UserError(
            f"{where}: {dataset.name}: {stored:,} bytes unpack to {dataset.nbytes:,}; not read"
        )
    return dataset[rows] if dataset.shape else dataset[()]


def as_text(dataset, where=""):
    """List of str of an array of text."""
    values = read_array(dataset, where)
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
