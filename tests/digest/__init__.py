"""Tests of detaudit.digest."""
