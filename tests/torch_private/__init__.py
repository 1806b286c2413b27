"""Tests of detaudit.torch_private."""
