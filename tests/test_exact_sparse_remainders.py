"""Tests of what a sparse factorisation will cost."""

import numpy as np
from scipy import sparse

from partialpool.exact import sparse_remainders


def test_the_numbers_of_a_sparse_factor_are_counted_before_it_is_made():
    rng = np.random.default_rng(4)
    i, j = rng.integers(0, 60, (2, 80))
    matrix = np.zeros((60, 60))
    matrix[i, j] = matrix[j, i] = 1
    matrix += 60 * np.eye(60)
    pattern = sparse.csc_array(matrix)
    made = sparse_remainders.count_filled(pattern.indptr, pattern.indices, np.inf)
    lower = np.linalg.cholesky(matrix)
    np.testing.assert_array_equal(made, (lower != 0).sum(0))
    given_up = sparse_remainders.count_filled(pattern.indptr, pattern.indices, 100)
    assert np.isinf(given_up).all()
