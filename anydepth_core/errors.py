# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Errors a user can mend: each message is one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable
import difflib


class AnyDepthError(Exception):
    """Base of every error that is the input's fault, not the program's."""


class DepthError(AnyDepthError):
    """A depth that this model does not have."""


class WeightsError(AnyDepthError):
    """A weights file that is missing, damaged, unsafe or of another network."""


class BackendError(AnyDepthError):
    """A backend, device or precision that is not available here."""


class ImageError(AnyDepthError):
    """An array or a file that is not a usable image."""


class DataError(AnyDepthError):
    """A data set, or a place to write one, that cannot be used."""


class RecipeError(AnyDepthError):
    """A training recipe that cannot be followed."""


class BudgetError(AnyDepthError):
    """A budget, limit or schedule that no policy can follow."""


class ProfileError(AnyDepthError):
    """A profile that is missing, damaged, or measured on something else."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known word, or an empty string."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f' (did you mean {match[0]!r}?)' if match else ''
