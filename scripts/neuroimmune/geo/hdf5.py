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
    if dataset.external or dataset.is_virtual:
        raise UserError(f"{where}: {dataset.name} lies in another file; not read")
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


def check_sparse(data, indices, indptr, shape, where):
    """Raise UserError unless the arrays are a compressed matrix of this shape (long axis first)."""
    import numpy as np

    if not (
        data.ndim == indices.ndim == indptr.ndim == 1
        and data.dtype.kind in "iufb"
        and len(indptr) == shape[0] + 1
        and len(data) == len(indices) == indptr[-1]
        and indptr[0] == 0
        and (np.diff(indptr) >= 0).all()
        and (len(indices) == 0 or 0 <= indices.min() <= indices.max() < shape[1])
    ):
        raise UserError(
            f"{where}: the sparse matrix contradicts itself ({len(data):,} values, "
            f"{len(indices):,} places, {shape[0]:,} x {shape[1]:,}); the file is damaged"
        )
