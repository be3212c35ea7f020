"""Tails: the one-way posterior with groups from a Student-t distribution."""


def pool_tails(*known):
    """Pool groups from a Student-t distribution."""
    raise NotImplementedError
