"""Tests of detaudit.targets."""
