"""Tests of detaudit.target."""
