"""
Tests of twisted_cluster.
"""
