"""Tests of distributed trainings: each rank is a process of its own, and they meet over gloo."""
