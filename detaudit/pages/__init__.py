"""Explain what detaudit finds and how to use it: a Markdown page for each cause and for each topic.

A Markdown file that is added here is a page: `detaudit explain NAME` shows it.
"""
