//! fleetwright-controller
