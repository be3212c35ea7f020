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
    touches = _touches_largest(gram, factors, columns)
    if not any(_nested(touch) for touch in touches.values()):
        return []
    touches |= _touches_others(gram, factors, columns)
    _fill(touches, gram.largest, kept)
    order = []
    while free := _free(kept, order, touches, gram.largest):
        # The finer of two comes first: the other can follow.
        best = max(free, key=lambda i: factors[i])
        order.append(best)
        _fill(touches, best, [i for i in kept if i not in order])
    return [
        (
            columns[i],
            {
                t: _parents(touches[i, order[t]])
                for t in range(s + 1, len(order))
                if touches[i, order[t]].nnz
            },
        )
        for s, i in enumerate(order)
    ]


def _free(kept, order, touches, largest):
    """Factors of which no group that has been eliminated touches two groups."""
    earlier = [largest, *order]
    rest = [i for i in kept if i not in order]
    return [i for i in rest if all(_nested(touches[e, i]) for e in earlier)]


def _fill(touches, gone, kept):
    """Let groups touch each other that touched the same group of what has gone."""
    for i, j in itertools.permutations(kept, 2):
        fill = touches[gone, i].T @ touches[gone, j]
        touches[i, j] = found(touches[i, j] + fill)


def _touches_largest(gram, factors, columns):
    """Which groups of the largest factor have to do with which of each other."""
    support = by_group(gram.flat_cross, gram.within.shape[:2])
    return {
        (gram.largest, i): by_group(support[place.ravel()].T, factors[i])
        for i, place in columns.items()
    }


def _touches_others(gram, factors, columns):
    """Which groups of two other factors have to do with each other."""
    touches = {}
    for i, j in itertools.permutations(columns, 2):
        direct = gram.dense[columns[i].ravel()][:, columns[j].ravel()]
        touches[i, j] = by_group(by_group(direct, factors[j]).T, factors[i]).T
    return touches


def _nested(touch):
    return touch.sum(1).max() <= 1


def _parents(touch):
    touch = touch.tocsr()
    parents = np.zeros(touch.shape[0], dtype=np.int64)
    group, parent = touch.nonzero()
    parents[group] = parent
    return parents


def by_group(cross, shape):
    """Which columns have a product with each group: (columns, groups)."""
    groups, effects = shape
    member = np.repeat(np.arange(groups), effects)
    member = sparse.csr_array(
        (np.ones(len(member)), (np.arange(len(member)), member)),
        shape=(len(member), groups),
    )
    return found(sparse.csr_array(cross != 0, dtype=float) @ member)


def found(matrix):
    """Make every number that is not 0 a 1."""
    matrix = sparse.csr_array(matrix)
    matrix.eliminate_zeros()
    matrix.data = np.ones(matrix.nnz)
    return matrix
