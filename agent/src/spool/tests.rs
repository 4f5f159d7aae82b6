//! The spool by its rules: positions, limits, restarts.
