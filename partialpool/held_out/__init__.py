"""Held out: what a model says of a group whose rows it has not seen."""

from partialpool.held_out.groups import leave_one_group_out
from partialpool.held_out.influence import group_influence

__all__ = ["group_influence", "leave_one_group_out"]
