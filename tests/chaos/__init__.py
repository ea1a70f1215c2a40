"""
Tests of what becomes of connections when something fails.
"""
