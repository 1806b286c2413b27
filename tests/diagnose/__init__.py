"""Tests of detaudit.diagnose."""
