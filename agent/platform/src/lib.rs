//! fleetwright-platform
