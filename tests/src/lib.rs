//! fleetwright-tests
