//! What a program asks of the system that it runs on, read from the program itself.

use anyhow::{Result, bail};

/// For which processor a program was built, and which C library it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    pub(super) machine: Machine,
    /// The newest symbol version of glibc that it refers to. None for a program that is linked statically.
    pub(super) glibc: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// As Debian names it.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// As rpm and most others name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl Elf {
    pub(super) fn read(program: &[u8]) -> Result<Self> {
        // The header of a 64-bit little-endian file; its machine stands at byte 18.
        let machine = match program {
            [0x7f, b'E', b'L', b'F', 2, 1, rest @ ..] if rest.len() >= 14 => {
                u16::from_le_bytes([rest[12], rest[13]])
            }
            _ => bail!("it is no 64-bit Linux program"),
        };
        let machine = match machine {
            62 => Machine::X86_64,
            183 => Machine::Aarch64,
            other => bail!("it is for a processor that is not packaged for (ELF machine {other})"),
        };
        Ok(Self { machine, glibc: newest_glibc(program) })
    }
}

/// The names of symbol versions stand in the program as texts that end in a zero.
fn newest_glibc(program: &[u8]) -> Option<(u32, u32)> {
    const PREFIX: &[u8] = b"GLIBC_";
    let starts = program.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX);
    let versions = starts.filter_map(|(at, _)| {
        let rest = &program[at + PREFIX.len()..];
        let end = rest.iter().take(12).position(|byte| *byte == 0)?;
        let (major, minor) = std::str::from_utf8(&rest[..end]).ok()?.split_once('.')?;
        let minor = minor.split('.').next().unwrap_or(minor);
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(machine: u16, texts: &[u8]) -> Vec<u8> {
        let mut program = b"\x7fELF\x02\x01".to_vec();
        program.resize(18, 0);
        program.extend(machine.to_le_bytes());
        program.extend(texts);
        program
    }

    #[test]
    fn the_newest_version_that_is_named_is_the_one_that_is_needed() {
        let found = Elf::read(&program(62, b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_x\0")).unwrap();
        assert_eq!(found, Elf { machine: Machine::X86_64, glibc: Some((2, 34)) });
        let found = Elf::read(&program(183, b"nothing")).unwrap();
        assert_eq!(found, Elf { machine: Machine::Aarch64, glibc: None });
    }

    #[test]
    fn what_is_no_program_for_us_is_refused() {
        for (bytes, wanted) in [
            (b"#!/bin/sh\necho nothing of the kind\n".to_vec(), "no 64-bit Linux program"),
            (program(8, b""), "ELF machine 8"),
        ] {
            let error = Elf::read(&bytes).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
