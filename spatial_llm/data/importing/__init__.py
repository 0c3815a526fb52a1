"""Turns a CSV of one's own recordings, questions and answers into manifests."""
