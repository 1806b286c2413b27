"""Tests of detaudit.record."""
