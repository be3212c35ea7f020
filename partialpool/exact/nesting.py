"""Which grouping factors can be eliminated one after the other, group by group."""

import itertools

import numpy as np
from scipy import sparse


def find_stages(gram, factors):
    """Find factors that can be eliminated after the largest, group by group.

    Returns the columns (groups, effects) of each such factor, and of each later one by
    its place in the list: the group that each group belongs to.

    Notes
    -----
    Each group that has been eliminated ties together all groups that it has a
    product with. So a factor can follow while no earlier group has to do with
    two of its own: the earlier ones are nested in it.
    """
    if gram.largest is None:
        return []
    kept = [i for i in range(len(factors)) if i != gram.largest]
    columns = {i: gram.places[i] for i in kept}
    support = by_group(gram.flat_cross, gram.within.shape[:2])
    # Which groups of the largest factor have to do with which of each other.
    touches = {
        (gram.largest, i): by_group(support[place.ravel()].T, factors[i])
        for i, place in columns.items()
    }
    if not any(_nested(touch) for touch in touches.values()):
        return []
    for i, j in itertools.permutations(columns, 2):
        direct = gram.dense[columns[i].ravel()][:, columns[j].ravel()]
        touches[i, j] = by_group(by_group(direct, factors[j]).T, factors[i]).T
    _fill(touches, gram.largest, kept)
    order, rest = [], kept
    while free := _free(rest, [gram.largest, *order], touches):
        # The finer of two comes first: the other can follow.
        best = max(free, key=lambda i: factors[i])
        order.append(best)
        rest = [i for i in rest if i != best]
        _fill(touches, best, rest)
    stages = []
    for s, i in enumerate(order):
        later = {t: touches[i, order[t]] for t in range(s + 1, len(order))}
        parents = {t: _parents(touch) for t, touch in later.items() if touch.nnz}
        stages.append((columns[i], parents))
    return stages


def _free(rest, gone, touches):
    """Factors of which no group that has been eliminated touches two groups."""
    return [i for i in rest if all(_nested(touches[e, i]) for e in gone)]


def _fill(touches, gone, kept):
    """Let groups touch each other that touched the same group of what has gone."""
    for i, j in itertools.permutations(kept, 2):
        fill = touches[gone, i].T @ touches[gone, j]
        touches[i, j] = found(touches[i, j] + fill)


def _nested(touch):
    return touch.sum(1).max() <= 1


def _parents(touch):
    parents = np.zeros(touch.shape[0], dtype=np.int64)
    group, parent = touch.nonzero()
    parents[group] = parent
    return parents


def by_group(cross, shape):
    """Which columns have a product with each group: (columns, groups)."""
    groups, effects = shape
    member = membership(np.repeat(np.arange(groups), effects), groups)
    return found(sparse.csr_array(cross != 0, dtype=float) @ member)


def membership(codes, groups):
    """A 1 for each row in the column of its group: (rows, groups)."""
    place = np.arange(len(codes)), codes
    return sparse.csr_array((np.ones(len(codes)), place), shape=(len(codes), groups))


def found(matrix):
    """Make every number that is not 0 a 1."""
    matrix = sparse.csr_array(matrix)
    matrix.eliminate_zeros()
    matrix.data = np.ones(matrix.nnz)
    return matrix
