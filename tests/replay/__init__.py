"""Tests of detaudit.replay."""
