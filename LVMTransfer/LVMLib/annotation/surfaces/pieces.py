"""Labels without crumbs: one cavity, one wall, nothing enclosed, whatever the surfaces do between two voxels.

Voxels of one label in a row are one run; runs that touch are joined. That is fast enough to be done after every edit.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...grid import BACKGROUND, BLOOD_POOL, LVM

ROUNDS = 32
"""Each round mends one kind of defect everywhere; none or three are usual."""
OUTSIDE = 0
"""Number of the piece of what lies beyond the box; runs count from 1."""


@njit(cache=True, error_model="numpy")
def _runs(labels):
    """Return the rows' first runs (rows + 1,), and of each run (from 1 on) its first voxel along i and its label."""
    rows, size = labels.shape[0] * labels.shape[1], labels.shape[2]
    flat = labels.reshape(rows, size)
    count = 1
    for row in range(rows):
        count += 1
        for i in range(1, size):
            count += flat[row, i] != flat[row, i - 1]
    heads = np.empty(rows + 1, np.int32)
    first, label = np.empty(count + 1, np.int32), np.empty(count, np.uint8)
    first[0], label[0], n = 0, BACKGROUND, 1
    for row in range(rows):
        heads[row] = n
        for i in range(size):
            if i == 0 or flat[row, i] != flat[row, i - 1]:
                first[n], label[n] = i, flat[row, i]
                n += 1
    heads[rows] = n
    return heads, first, label


@njit(cache=True, error_model="numpy")
def _root(parent, n):
    while parent[n] != n:
        parent[n] = parent[parent[n]]
        n = parent[n]
    return n


@njit(cache=True, error_model="numpy", inline="always")
def _join(parent, a, b):
    a, b = _root(parent, a), _root(parent, b)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@njit(cache=True, error_model="numpy")
def _join_rows(runs, size, rows, parents, corners):
    """Join the runs of two rows that touch; ``corners``: the rows share edges or corners of voxels only."""
    (heads, first, label), (same, other) = runs, parents
    a, b = heads[rows[0]], heads[rows[1]]
    last_a, last_b = heads[rows[0] + 1], heads[rows[1] + 1]
    while a < last_a and b < last_b:
        end_a = first[a + 1] if a + 1 < last_a else size
        end_b = first[b + 1] if b + 1 < last_b else size
        if label[a] == label[b] and (not corners or label[a] == LVM):
            _join(same, a, b)
        if not corners and label[a] != BLOOD_POOL and label[b] != BLOOD_POOL:
            _join(other, a, b)
        # Muscle also connects over an edge or a corner, with the next run but one.
        if end_a == end_b and a + 1 < last_a and b + 1 < last_b:
            if label[a] == LVM and label[b + 1] == LVM:
                _join(same, a, b + 1)
            if label[a + 1] == LVM and label[b] == LVM:
                _join(same, a + 1, b)
        if end_a <= end_b:
            a += 1
        if end_b <= end_a:
            b += 1


@njit(cache=True, error_model="numpy", nogil=True)
def _pieces(labels):
    """Return the runs, and of each run the number of its piece, twice.

    First: pieces of one label, muscle connected through corners, the others through faces. Second: pieces of all that
    is not cavity, through faces. What reaches the end of the box belongs to `OUTSIDE`, muscle only in the second.
    """
    runs = _runs(labels)
    heads, _, label = runs
    planes, lines, size = labels.shape
    same, other = np.arange(len(label)), np.arange(len(label))
    for row in range(planes * lines):
        k, j = row // lines, row % lines
        edge = k == 0 or j == 0 or k == planes - 1 or j == lines - 1
        for n in range(heads[row], heads[row + 1]):
            at_end = edge or n == heads[row] or n + 1 == heads[row + 1]
            if at_end and label[n] == BACKGROUND:
                _join(same, OUTSIDE, n)
            if at_end and label[n] != BLOOD_POOL:
                _join(other, OUTSIDE, n)
            if n > heads[row] and label[n] != BLOOD_POOL and label[n - 1] != BLOOD_POOL:
                _join(other, n - 1, n)
        if j > 0:
            _join_rows(runs, size, (row, row - 1), (same, other), False)
        if k > 0:
            _join_rows(runs, size, (row, row - lines), (same, other), False)
            if j > 0:
                _join_rows(runs, size, (row, row - lines - 1), (same, other), True)
            if j < lines - 1:
                _join_rows(runs, size, (row, row - lines + 1), (same, other), True)
    for n in range(len(label)):
        same[n], other[n] = _root(same, n), _root(other, n)
    return runs, same, other


@njit(cache=True, error_model="numpy", nogil=True)
def _defects(runs, same, other, size):
    """Return the first kind of defect there is (0 = none), and the number of the piece of each run that has it or 0.

    1 cavity apart from the largest, 2 enclosed background, 3 what the cavity encloses, 4 muscle apart from the largest.
    """
    heads, first, label = runs
    volume = np.zeros(len(label), np.int64)
    for row in range(len(heads) - 1):
        for n in range(heads[row], heads[row + 1]):
            end = first[n + 1] if n + 1 < heads[row + 1] else size
            volume[same[n]] += end - first[n]
    main = np.zeros(3, np.int64)
    for n in range(1, len(label)):
        if label[n] != BACKGROUND and (main[label[n]] == 0 or volume[same[n]] > volume[main[label[n]]]):
            main[label[n]] = same[n]
    wrong = np.zeros(len(label), np.int64)
    for kind in range(1, 5):
        found = False
        for n in range(1, len(label)):
            piece = same[n]
            if kind == 1:
                here = label[n] == BLOOD_POOL and piece != main[BLOOD_POOL]
            elif kind == 2:
                here = label[n] == BACKGROUND and piece != OUTSIDE
            elif kind == 3:
                here, piece = label[n] != BLOOD_POOL and other[n] != OUTSIDE, other[n]
            else:
                here = label[n] == LVM and piece != main[LVM]
            if here:
                wrong[n] = piece
                found = True
        if found:
            return kind, wrong
    return 0, wrong


@njit(cache=True, error_model="numpy")
def _faces(labels, places):
    """Return how many faces of voxels (N, 3) lie at each label; beyond the box is background."""
    votes = np.zeros(3, np.int64)
    for n in range(len(places)):
        for axis in range(3):
            for step in (-1, 1):
                k, j, i = places[n, 0], places[n, 1], places[n, 2]
                k, j, i = k + step * (axis == 0), j + step * (axis == 1), i + step * (axis == 2)
                inside = 0 <= k < labels.shape[0] and 0 <= j < labels.shape[1] and 0 <= i < labels.shape[2]
                votes[labels[k, j, i] if inside else BACKGROUND] += 1
    return votes


@njit(cache=True, error_model="numpy", nogil=True)
def _bridge(labels, places):
    """Join a piece of muscle (N, 3) to the rest over the shortest way through the background, in place."""
    planes, lines, size = labels.shape
    came = np.full(labels.size, -1, np.int64)
    queue = np.empty(labels.size, np.int64)
    tail = 0
    for n in range(len(places)):
        queue[tail] = (places[n, 0] * lines + places[n, 1]) * size + places[n, 2]
        came[queue[tail]] = queue[tail]
        tail += 1
    head = 0
    while head < tail:
        here = queue[head]
        head += 1
        k, j, i = here // (lines * size), here // size % lines, here % size
        for step in range(27):
            a, b, c = k + step // 9 - 1, j + step // 3 % 3 - 1, i + step % 3 - 1
            if not (0 <= a < planes and 0 <= b < lines and 0 <= c < size) or labels[a, b, c] == BLOOD_POOL:
                continue
            there = (a * lines + b) * size + c
            if came[there] >= 0:
                continue
            came[there] = here
            if labels[a, b, c] == LVM:
                while came[here] != here:
                    labels[here // (lines * size), here // size % lines, here % size] = LVM
                    here = came[here]
                return
            queue[tail] = there
            tail += 1


def tidy(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make cavity and wall one piece each and without holes, in place, so that the cavity is open nowhere it was not.

    Cavity apart from the cavity becomes background: nothing of it touched the cavity. Enclosed background takes the
    label that it touches most. What the cavity encloses is cavity. Muscle apart from the wall becomes background where
    it touches no cavity, else the shortest bridge of muscle joins it to the wall: it closes the cavity.

    Parameters
    ----------
    labels : ndarray (k, j, i) uint8
        A box in which everything lies.

    Returns
    -------
    places : ndarray (N, 3)
        The voxels that were changed, k, j, i.
    raw : ndarray (N,)
        Their labels before.
    """
    raw = None
    for number in range(ROUNDS if labels.size else 0):
        work = np.ascontiguousarray(labels)
        runs, same, other = _pieces(work)
        kind, wrong = _defects(runs, same, other, labels.shape[2])
        if kind == 0:
            break
        raw = work.copy() if raw is None else raw
        for places in _voxels_of(runs, wrong, labels.shape):
            _mend(labels, kind, places, grow_wall=number > ROUNDS // 2)
    if raw is None:
        return np.empty((0, 3), int), np.empty(0, np.uint8)
    changed = raw != labels
    return np.argwhere(changed), raw[changed]


def _voxels_of(runs: tuple[np.ndarray, ...], wrong: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return the voxels (N, 3) of each piece, in the order of their numbers."""
    heads, first, _ = runs
    found: dict[int, list[np.ndarray]] = {}
    for n in np.flatnonzero(wrong):
        row = int(np.searchsorted(heads, n, side="right")) - 1
        end = first[n + 1] if n + 1 < heads[row + 1] else shape[2]
        i = np.arange(first[n], end)
        k, j = np.full_like(i, row // shape[1]), np.full_like(i, row % shape[1])
        found.setdefault(int(wrong[n]), []).append(np.stack([k, j, i], axis=1).astype(np.int64))
    return [np.concatenate(found[piece]) for piece in sorted(found)]


def _mend(labels: np.ndarray, kind: int, places: np.ndarray, *, grow_wall: bool) -> None:
    """Give one piece the label that makes it whole; ``grow_wall``: enclosed background becomes muscle if it can."""
    votes = _faces(labels, places)
    votes[BACKGROUND] = 0
    if grow_wall and votes[LVM]:
        votes[BLOOD_POOL] = 0
    if kind == 4 and votes[BLOOD_POOL]:
        _bridge(labels, places)
        return
    target = {1: BACKGROUND, 2: int(votes.argmax()), 3: BLOOD_POOL, 4: BACKGROUND}[kind]
    labels[tuple(places.T)] = target
