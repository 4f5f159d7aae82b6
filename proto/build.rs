//! Generates the wire types with a compiler written in Rust, so that no system protoc is needed.

use std::error::Error;

const FILES: [&str; 9] = [
    "fleetwright/agent/v1/agent.proto",
    "fleetwright/agent/v1/associations.proto",
    "fleetwright/agent/v1/parameters.proto",
    "fleetwright/control/v1/control.proto",
    "fleetwright/control/v1/access.proto",
    "fleetwright/control/v1/windows.proto",
    "fleetwright/control/v1/parameters.proto",
    "fleetwright/control/v1/inventory.proto",
    "fleetwright/control/v1/associations.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::codec::LeanCodec")
        .bytes(".fleetwright")
        // In the order of their names, as they are hashed.
        .btree_map(".fleetwright.agent.v1.InventoryItem")
        .compile_fds(descriptors)?;
    Ok(())
}
