//! fleetwright-agent
