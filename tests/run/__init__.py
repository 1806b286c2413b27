"""Tests of detaudit.run."""
