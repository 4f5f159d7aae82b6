//! The store: an ordered key-value store with a small surface, typed tables above it, and blobs for bulk bytes.
