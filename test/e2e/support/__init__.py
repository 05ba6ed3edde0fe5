"""Scripted peers and process harness of the end-to-end tests."""
