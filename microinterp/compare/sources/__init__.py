"""Accounts from files: golden bundles, .npz files, and dumps that any firmware can print."""

from __future__ import annotations

from microinterp.compare.sources.bundle import read_account as read_bundle_account
from microinterp.compare.sources.dump import read_dump, write_dump
from microinterp.compare.sources.npz import read_npz_account

__all__ = ["read_bundle_account", "read_dump", "read_npz_account", "write_dump"]
