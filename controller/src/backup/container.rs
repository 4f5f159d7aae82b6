//! The file of a backup: a header that anybody may read, and sealed frames.
//!
//! ```text
//! magic · length (4) · header, JSON · { length (4) · nonce-less AES-256-GCM of a zstd frame } …
//! ```
//!
//! The nonce of a frame is its number and whether it is the last; the header's digest is bound into every seal. So a
//! file that was cut, altered, or put together from two is refused at the first frame where that shows. Each backup has
//! a key of its own: derived from the root key, or from a passphrase, and a random salt.

use std::io::Read;
use std::num::NonZeroU32;

use bytes::{BufMut, BytesMut};
use fleetwright_proto::clock::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keys::root::RootKey;

const MAGIC: &[u8] = b"FLEETWRIGHT BACKUP 1\n";
const HEADER_MAX_BYTES: usize = 4096;
/// Bytes of entries in one frame.
pub(super) const FRAME_BYTES: usize = 128 * 1024;
/// A frame that does not compress is a little longer than what is in it.
const SEALED_MAX_BYTES: usize = FRAME_BYTES * 2;
const ITERATIONS: u32 = 600_000;
/// So that nobody makes us count for hours.
const ITERATIONS_MAX: u32 = 20_000_000;
const LEVEL: i32 = 3;
/// Shortest passphrase, characters.
pub const PASSPHRASE_MIN_CHARS: usize = 12;

/// Why a file is no backup that can be used. Nothing of what is in it is told.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("this is not a backup: it does not begin as one")]
    NotABackup,
    #[error("the header of the backup is damaged")]
    Header,
    #[error("the backup is sealed with root key {wanted}, and the root key here is {found}")]
    OtherRootKey { wanted: String, found: String },
    #[error("the backup is sealed with a passphrase, and none was given")]
    NeedsPassphrase,
    #[error("the backup is sealed with root key {0}, and none was given")]
    NeedsRootKey(String),
    #[error("the first frame does not open: the passphrase is wrong, or the file was altered")]
    WrongPassphrase,
    #[error("frame {0} does not open: the file was altered or torn")]
    Broken(u32),
    #[error("the file ends in frame {0}: it is torn")]
    Torn(u32),
    #[error("bytes follow the end of the backup: the file was altered")]
    GoesOn,
    #[error("the backup is too long: it has more frames than can be numbered")]
    TooLong,
    #[error("the passphrase is too short: {PASSPHRASE_MIN_CHARS} characters at least")]
    ShortPassphrase,
    #[error("the system gives no random numbers")]
    Random,
    #[error("cannot read the backup")]
    Read(#[source] std::io::Error),
    #[error("cannot compress a frame")]
    Compress(#[source] std::io::Error),
}

/// What opens a backup.
pub enum Opener<'a> {
    Passphrase(&'a str),
    RootKey(&'a RootKey),
}

impl std::fmt::Debug for Opener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Opener::Passphrase(…)",
            Self::RootKey(_) => "Opener::RootKey(…)",
        })
    }
}

/// What anybody may read of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub taken: Timestamp,
    pub release: String,
    pub sealed_with: SealedWith,
    /// Hex.
    salt: String,
}

/// What a backup is sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SealedWith {
    Passphrase { iterations: u32 },
    RootKey { mark: String },
}

/// The writing side: entries in, pieces of the file out.
pub struct Writer {
    key: LessSafeKey,
    about: Vec<u8>,
    frame: u32,
    pending: BytesMut,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("frame", &self.frame).finish_non_exhaustive()
    }
}

impl Writer {
    /// Also the beginning of the file. Deriving a key from a passphrase takes a good part of a second, on purpose.
    pub fn new(opener: &Opener<'_>, taken: Timestamp) -> Result<(Self, Vec<u8>), ContainerError> {
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).map_err(|_| ContainerError::Random)?;
        let sealed_with = match opener {
            Opener::Passphrase(text) if text.chars().count() < PASSPHRASE_MIN_CHARS => {
                return Err(ContainerError::ShortPassphrase);
            }
            Opener::Passphrase(_) => SealedWith::Passphrase { iterations: ITERATIONS },
            Opener::RootKey(root) => SealedWith::RootKey { mark: root.mark().to_owned() },
        };
        let release = env!("CARGO_PKG_VERSION").to_owned();
        let header = Header { taken, release, sealed_with, salt: hex::encode(salt) };
        let text = serde_json::to_vec(&header).map_err(|_| ContainerError::Header)?;
        let mut beginning = MAGIC.to_vec();
        beginning.put_u32(u32::try_from(text.len()).map_err(|_| ContainerError::Header)?);
        beginning.extend_from_slice(&text);
        let writer =
            Self { key: key(&header, opener)?, about: digest_of(&text), frame: 0, pending: BytesMut::new() };
        Ok((writer, beginning))
    }

    /// Takes entries; gives the frames that are full.
    pub fn add(&mut self, entry: &super::entry::Entry) -> Result<Vec<u8>, ContainerError> {
        entry.write(&mut self.pending);
        let mut out = Vec::new();
        while self.pending.len() > FRAME_BYTES {
            let frame = self.pending.split_to(FRAME_BYTES);
            self.seal(&frame, false, &mut out)?;
        }
        Ok(out)
    }

    /// The last frame.
    pub fn finish(mut self) -> Result<Vec<u8>, ContainerError> {
        let (mut out, rest) = (Vec::new(), self.pending.split());
        self.seal(&rest, true, &mut out)?;
        Ok(out)
    }

    fn seal(&mut self, plain: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), ContainerError> {
        let mut sealed = zstd::bulk::compress(plain, LEVEL).map_err(ContainerError::Compress)?;
        self.key
            .seal_in_place_append_tag(nonce(self.frame, last), Aad::from(&self.about), &mut sealed)
            .map_err(|_| ContainerError::Random)?;
        out.put_u32(u32::try_from(sealed.len()).map_err(|_| ContainerError::TooLong)?);
        out.extend_from_slice(&sealed);
        self.frame = self.frame.checked_add(1).ok_or(ContainerError::TooLong)?;
        Ok(())
    }
}

/// The header of a file, unproved: its seals say whether it is true.
pub fn header(file: &mut impl Read) -> Result<(Header, Vec<u8>), ContainerError> {
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(|_| ContainerError::NotABackup)?;
    if magic != MAGIC {
        return Err(ContainerError::NotABackup);
    }
    let mut length = [0; 4];
    file.read_exact(&mut length).map_err(|_| ContainerError::Header)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > HEADER_MAX_BYTES {
        return Err(ContainerError::Header);
    }
    let mut text = vec![0; length];
    file.read_exact(&mut text).map_err(|_| ContainerError::Header)?;
    let header = serde_json::from_slice(&text).map_err(|_| ContainerError::Header)?;
    Ok((header, digest_of(&text)))
}

/// The reading side, behind the header.
pub struct Frames<R> {
    file: R,
    key: LessSafeKey,
    about: Vec<u8>,
    frame: u32,
    by_passphrase: bool,
    ended: bool,
}

impl<R> std::fmt::Debug for Frames<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("frame", &self.frame).finish_non_exhaustive()
    }
}

impl<R: Read> Frames<R> {
    pub fn open(mut file: R, opener: &Opener<'_>) -> Result<(Header, Self), ContainerError> {
        let (header, about) = header(&mut file)?;
        let key = key(&header, opener)?;
        let by_passphrase = matches!(header.sealed_with, SealedWith::Passphrase { .. });
        Ok((header, Self { file, key, about, frame: 0, by_passphrase, ended: false }))
    }

    /// The bytes of the next frame; None after the last, when nothing follows it.
    pub fn next_frame(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ContainerError> {
        let mut length = [0; 4];
        if self.ended {
            return match self.file.read(&mut length).map_err(ContainerError::Read)? {
                0 => Ok(None),
                _ => Err(ContainerError::GoesOn),
            };
        }
        let torn = |error: std::io::Error, frame| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ContainerError::Torn(frame),
            _ => ContainerError::Read(error),
        };
        self.file.read_exact(&mut length).map_err(|error| torn(error, self.frame))?;
        let length = u32::from_be_bytes(length) as usize;
        if length > SEALED_MAX_BYTES {
            return Err(ContainerError::Broken(self.frame));
        }
        let mut sealed = vec![0; length];
        self.file.read_exact(&mut sealed).map_err(|error| torn(error, self.frame))?;
        let opened = [false, true].into_iter().find_map(|last| {
            let mut buffer = Zeroizing::new(sealed.clone());
            let aad = Aad::from(&self.about);
            let length = self.key.open_in_place(nonce(self.frame, last), aad, &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some((buffer, last))
        });
        let Some((compressed, last)) = opened else {
            return Err(match self.frame {
                0 if self.by_passphrase => ContainerError::WrongPassphrase,
                frame => ContainerError::Broken(frame),
            });
        };
        let plain = zstd::bulk::decompress(&compressed, FRAME_BYTES)
            .map_err(|_| ContainerError::Broken(self.frame))?;
        self.frame = self.frame.checked_add(1).ok_or(ContainerError::TooLong)?;
        self.ended = last;
        Ok(Some(Zeroizing::new(plain)))
    }
}

fn nonce(frame: u32, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&frame.to_be_bytes());
    bytes[4] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

fn digest_of(header: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, header).as_ref().to_vec()
}

fn key(header: &Header, opener: &Opener<'_>) -> Result<LessSafeKey, ContainerError> {
    let salt = hex::decode(&header.salt).map_err(|_| ContainerError::Header)?;
    let mut bytes = Zeroizing::new([0; 32]);
    match (&header.sealed_with, opener) {
        (SealedWith::Passphrase { iterations }, Opener::Passphrase(text)) => {
            let count = NonZeroU32::new(*iterations).filter(|count| count.get() <= ITERATIONS_MAX);
            let count = count.ok_or(ContainerError::Header)?;
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, &salt, text.as_bytes(), &mut *bytes);
        }
        (SealedWith::RootKey { mark }, Opener::RootKey(root)) if mark == root.mark() => {
            let tag = hmac::sign(&root.signing_key(), &[b"fleetwright backup", &salt[..]].concat());
            bytes.copy_from_slice(tag.as_ref());
        }
        (SealedWith::RootKey { mark }, Opener::RootKey(root)) => {
            return Err(ContainerError::OtherRootKey { wanted: mark.clone(), found: root.mark().to_owned() });
        }
        (SealedWith::Passphrase { .. }, Opener::RootKey(_)) => return Err(ContainerError::NeedsPassphrase),
        (SealedWith::RootKey { mark }, Opener::Passphrase(_)) => {
            return Err(ContainerError::NeedsRootKey(mark.clone()));
        }
    }
    let key = UnboundKey::new(&AES_256_GCM, &*bytes).map_err(|_| ContainerError::Header)?;
    Ok(LessSafeKey::new(key))
}
