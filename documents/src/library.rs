//! The documents that we ship, under the names that people call. Written by us to the same parameters and defaults.

/// One shipped document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibraryDocument {
    pub name: &'static str,
    /// Counts up when a release changes the text.
    pub version: u32,
    pub text: &'static str,
    /// Of the text, in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

static LIBRARY: [LibraryDocument; 17] = [
    LibraryDocument {
        name: "AWS-ApplyAnsiblePlaybooks",
        version: 1,
        text: include_str!("../library/AWS-ApplyAnsiblePlaybooks.json"),
        sha256: "5bb978d75166a03a6de38a6a2118cd3c858e9bf699285b5c9b714a16d524ebb3",
    },
    LibraryDocument {
        name: "AWS-ConfigureAWSPackage",
        version: 2,
        text: include_str!("../library/AWS-ConfigureAWSPackage.json"),
        sha256: "a6174c27d148760deedc7e30ff2cc1266a5e1177c713955a4505e9e5034c9006",
    },
    LibraryDocument {
        name: "AWS-ConfigureDocker",
        version: 1,
        text: include_str!("../library/AWS-ConfigureDocker.json"),
        sha256: "30c6db8405d3b92dbaf553501f9113df9b6720484f564360def6345d1df5a07d",
    },
    LibraryDocument {
        name: "AWS-GatherSoftwareInventory",
        version: 1,
        text: include_str!("../library/AWS-GatherSoftwareInventory.json"),
        sha256: "73c15e05c91d7b48273b7a5e9d6888778a3816eff24f53b5d531bcce4522b247",
    },
    LibraryDocument {
        name: "AWS-InstallApplication",
        version: 1,
        text: include_str!("../library/AWS-InstallApplication.json"),
        sha256: "081cbafbfc177750230b1034d4264d184bc1f0ef1f1fbfe99450d119dbd697d3",
    },
    LibraryDocument {
        name: "AWS-InstallPowerShellModule",
        version: 1,
        text: include_str!("../library/AWS-InstallPowerShellModule.json"),
        sha256: "c60c6131ddc25e518ca110b98b735b76fe6ad427400b55b6f8e9674b57125574",
    },
    LibraryDocument {
        name: "AWS-JoinDirectoryServiceDomain",
        version: 1,
        text: include_str!("../library/AWS-JoinDirectoryServiceDomain.json"),
        sha256: "2b8e620a832773f94bb4160205260b868b73f297e63f98b479ca7a2545e8041b",
    },
    LibraryDocument {
        name: "AWS-RefreshAssociation",
        version: 1,
        text: include_str!("../library/AWS-RefreshAssociation.json"),
        sha256: "481eacbb3308c5b1a7a4ff5046cbf7c6685a2d280f6d4d324f43b4b2564611e3",
    },
    LibraryDocument {
        name: "AWS-RunAnsiblePlaybook",
        version: 1,
        text: include_str!("../library/AWS-RunAnsiblePlaybook.json"),
        sha256: "6f3db6479c620b8daa94b5deff3e056bcbb5dade414f7b3342cdd226485dd9f6",
    },
    LibraryDocument {
        name: "AWS-RunDockerAction",
        version: 1,
        text: include_str!("../library/AWS-RunDockerAction.json"),
        sha256: "ec9f511fb2ea2aa37a530b1870aa555799ef34408adbccd534faa60145a3a23c",
    },
    LibraryDocument {
        name: "AWS-RunDocument",
        version: 1,
        text: include_str!("../library/AWS-RunDocument.json"),
        sha256: "6d2a4792bc9bd62aa1373f15da5b31be1b3883a7d0bb6cd814462f58108627d5",
    },
    LibraryDocument {
        name: "AWS-RunPowerShellScript",
        version: 1,
        text: include_str!("../library/AWS-RunPowerShellScript.json"),
        sha256: "39a81dd911573dc9360b35a222c3822d86ea337173e6365cd63632ef15693374",
    },
    LibraryDocument {
        name: "AWS-RunRemoteScript",
        version: 1,
        text: include_str!("../library/AWS-RunRemoteScript.json"),
        sha256: "3a1afc5be134a79b4770246eed3575a82c1a174caf323f5ca0f0b090e76ba52f",
    },
    LibraryDocument {
        name: "AWS-RunSaltState",
        version: 1,
        text: include_str!("../library/AWS-RunSaltState.json"),
        sha256: "4e63a6b9f4a4b970484c2d2258abe1bfa69bc577fa5c4bfd9fa106092b65314a",
    },
    LibraryDocument {
        name: "AWS-RunShellScript",
        version: 1,
        text: include_str!("../library/AWS-RunShellScript.json"),
        sha256: "f1eaf71937195ab076d867a7f3dd44ca56c8825bbcb1a6f1cb635de24b1e71e9",
    },
    LibraryDocument {
        name: "AWS-UpdateSSMAgent",
        version: 1,
        text: include_str!("../library/AWS-UpdateSSMAgent.json"),
        sha256: "3c5d760ed68253e4cc4029d1072c92d9411bcb6aa228de21a231f2f470f28f7c",
    },
    LibraryDocument {
        name: "Fleetwright-RunCmdScript",
        version: 1,
        text: include_str!("../library/Fleetwright-RunCmdScript.json"),
        sha256: "20a52e006e6b62458a1d892967db32cc383fe3d56d4df584b708a02dd1db7520",
    },
];

/// Sorted by name.
#[must_use]
pub fn all() -> &'static [LibraryDocument] {
    &LIBRARY
}

/// The name is compared exactly, as the service does.
#[must_use]
pub fn get(name: &str) -> Option<&'static LibraryDocument> {
    all().iter().find(|document| document.name == name)
}
