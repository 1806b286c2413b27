"""The pytest plugin of detaudit: a fixture, a marker, `pytest --detaudit`, and locks.

Does nothing in a run that asks for none of it; torch is imported only by what audits.
"""
