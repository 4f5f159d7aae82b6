//! fleetwright-documents
