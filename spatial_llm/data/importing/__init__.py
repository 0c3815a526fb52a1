"""Turns recordings of one's own, with questions or with annotations, and published annotated data sets into manifests."""
