//! fleetwright-cli
