"""Look-up tables of DICOM (PS3.3 C.11.1.1 and C.11.2.1.1)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.radiograph import RadiographError


def look_up(
    values: NDArray[np.integer] | NDArray[np.float64], item: Dataset, dataset: Dataset
) -> NDArray[np.float64]:
    """Return what a look-up table maps values to; those beyond its ends get its ends.

    Args:
        values: Stored values, or the output of the step before; the nearest entry counts.
        item: LUTDescriptor and LUTData.
        dataset: The whole, whose transfer syntax says in which order bytes stand.

    Returns:
        The table's entries, in the shape of `values`.
    """
    # PS3.3 C.11.1.1 and C.11.2.1.1. pydicom's apply_voi wraps the index of an 8-bit table.
    table = _lut_table(item, dataset.file_meta.TransferSyntaxUID.is_little_endian)
    index = np.clip(np.rint(values) - int(item.LUTDescriptor[1]), 0, len(table) - 1)
    return np.asarray(table[index.astype(np.intp)], dtype=np.float64)


def _lut_table(item: Dataset, is_little_endian: bool) -> NDArray[np.integer]:
    entries = item.LUTDescriptor[0] % 2**16 or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        word = "<u2" if is_little_endian else ">u2"
        data = np.frombuffer(data, dtype=word if len(data) >= 2 * entries else np.uint8)
    table: NDArray[np.integer] = np.atleast_1d(data)[:entries]
    if len(table) < entries:
        raise RadiographError(
            f"A DICOM look-up table announces {entries} entries but holds {len(table)}. "
            "Export the image again."
        )
    return table
