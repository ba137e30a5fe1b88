//! Archives for tests: members without compression.

/// A good archive of these members.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut data, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        // Version, flags, method, time and date; the same in both headers.
        let mut same = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        same.extend(crc.sum().to_le_bytes());
        same.extend(size);
        same.extend(size);
        same.extend(len);
        same.extend([0, 0]);
        let at = u32::try_from(data.len()).unwrap().to_le_bytes();
        data.extend(b"PK\x03\x04");
        data.extend(&same);
        data.extend(name.as_bytes());
        data.extend(*content);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&same);
        directory.extend([0; 10]);
        directory.extend(at);
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(data.len()).unwrap().to_le_bytes();
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    data.extend(directory);
    data.extend(b"PK\x05\x06\0\0\0\0");
    for part in [&count[..], &count, &size, &start, &[0, 0]] {
        data.extend(part);
    }
    data
}
