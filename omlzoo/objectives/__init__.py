"""Objectives over views: modules called as ``objective(student, teacher, ids)`` that return a scalar."""

from omlzoo.catalog import exports

SHARED = {"Objective": "omlzoo.objectives._objective"}

__getattr__, __dir__ = exports(__name__, SHARED)
