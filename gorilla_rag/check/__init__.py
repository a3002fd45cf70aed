"""Checks code against the packages that are installed, without importing or running it."""

from __future__ import annotations

from gorilla_rag.check.files import check_code, check_files, make_resolver
from gorilla_rag.check.finding import RULES, Checked, Finding, Rule, Unchecked

__all__ = ["RULES", "Checked", "Finding", "Rule", "Unchecked", "check_code", "check_files", "make_resolver"]
