//! AES-256-GCM with the nonce in front. Knows no key's name and no place.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// What a seal adds to what it seals.
pub(super) const OVERHEAD_BYTES: usize = NONCE_LEN + 16;

/// The bytes of a key while they are being moved.
pub(super) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(super) struct NoRandom;

/// The seal is broken: another key, another place, or altered bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

pub(super) fn random_key() -> Result<KeyBytes, NoRandom> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

pub(super) fn key(bytes: &KeyBytes) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, &**bytes).expect("a key of AES-256 has 32 bytes");
    LessSafeKey::new(key)
}

/// Nonce, ciphertext and tag.
pub(super) fn seal(key: &LessSafeKey, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoRandom> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| NoRandom)?;
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(about),
            &mut out[NONCE_LEN..],
        )
        .expect("what is sealed is far shorter than AES-GCM allows");
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

pub(super) fn open(key: &LessSafeKey, about: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Broken)?;
    let mut buffer = Zeroizing::new(rest.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(about), &mut buffer).map_err(|_| Broken)?.len();
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_with_its_key_in_its_place_and_unaltered() {
        let (one, other) = (key(&random_key().unwrap()), key(&random_key().unwrap()));
        let sealed = seal(&one, b"here", b"hunter2").unwrap();
        assert_eq!(open(&one, b"here", &sealed).unwrap().as_slice(), b"hunter2");
        assert_eq!(open(&other, b"here", &sealed), Err(Broken));
        assert_eq!(open(&one, b"there", &sealed), Err(Broken));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(open(&one, b"here", &altered), Err(Broken), "byte {at}");
        }
        assert_eq!(open(&one, b"here", &sealed[..10]), Err(Broken));
        assert_ne!(sealed, seal(&one, b"here", b"hunter2").unwrap());
    }
}
