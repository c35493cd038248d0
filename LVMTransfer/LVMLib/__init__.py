"""LVMLib: transfer learning of left-ventricular segmentation between hospitals, without a GUI.

The rooms, each importing only rooms below it::

    7  cli         the ``lvm`` command
    6  sites       transfer between institutions
    5  evaluation  metrics, studies, benchmarks, report
    4  learning    training, prediction, bundles      phantom    synthetic 4D CCTA
    3  cohort      cases, pairs, splits               thickness  Laplace wall thickness
    2  annotation  axes, contours, repair, protocol   imaging    formats, resampling
    1  network     4D CNN and its peers               grid, errors, files, progress

Arrays are indexed ``(Z, Y, X)`` (3D) or ``(T, Z, Y, X)`` (4D); an affine maps the voxel index ``(i, j, k)``,
that is ``(X, Y, Z)``, to RAS millimetres.
"""

__version__ = "0.1.0"
