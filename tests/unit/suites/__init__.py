"""
Tests of how the runs of Twisted's suites are compared.
"""
