//! The checksum of the POSIX program `cksum`, which phones have: a CRC-32 with the length in it.

/// What `cksum` prints of standard input: the sum and the size in bytes.
pub fn cksum(content: &[u8]) -> String {
    let length = content.len() as u64;
    let length_bytes = length.to_le_bytes();
    let used = (8 - length.leading_zeros() as usize / 8).min(8);
    let table = table();
    let bytes = content.iter().chain(&length_bytes[..used]);
    let crc = bytes.fold(0u32, |crc, byte| (crc << 8) ^ table[((crc >> 24) as u8 ^ byte) as usize]);
    format!("{} {length}", !crc)
}

fn table() -> [u32; 256] {
    std::array::from_fn(|index| {
        (0..8).fold((index as u32) << 24, |crc, _| if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_program() {
        // From GNU cksum.
        assert_eq!(cksum(b""), "4294967295 0");
        assert_eq!(cksum(b"123456789"), "930766865 9");
        assert_eq!(cksum(&[0; 1000]), "2610763910 1000");
    }
}
