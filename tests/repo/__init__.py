"""Tests of the repository as a whole: nothing generated is stale, the docs are correct."""
