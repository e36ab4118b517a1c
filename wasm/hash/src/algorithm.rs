//! The algorithms by their names, and a digest as it is written.

use std::fmt::Write;

use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

/// A digest in the making. BLAKE3 does not have the trait that the others share.
pub enum Hasher {
    Blake3(Box<blake3::Hasher>),
    Other(Box<dyn DynDigest>),
}

impl Hasher {
    /// Begin a digest, or None for a name that is no algorithm's.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sha256" => Hasher::Other(Box::new(Sha256::default())),
            "sha512" => Hasher::Other(Box::new(Sha512::default())),
            "blake3" => Hasher::Blake3(Box::default()),
            "sha1" => Hasher::Other(Box::new(Sha1::default())),
            "md5" => Hasher::Other(Box::new(Md5::default())),
            _ => return None,
        })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Blake3(hasher) => drop(hasher.update(bytes)),
            Hasher::Other(hasher) => hasher.update(bytes),
        }
    }

    /// The digest in hexadecimal, as `sha256sum` and its kin print it.
    pub fn finish(self) -> String {
        match self {
            Hasher::Blake3(hasher) => hasher.finalize().to_hex().to_string(),
            Hasher::Other(hasher) => hex(&hasher.finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // a String takes every write
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the algorithms' own specifications.
    const OF_ABC: [(&str, &str); 5] = [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "sha512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        ("blake3", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    ];

    #[test]
    fn pieces_make_the_digest_of_the_whole() {
        for (name, digest) in OF_ABC {
            let mut hasher = Hasher::named(name).unwrap();
            hasher.update(b"a");
            hasher.update(b"");
            hasher.update(b"bc");
            assert_eq!(hasher.finish(), digest, "{name}");
        }
        assert!(Hasher::named("crc32").is_none());
    }
}
