//! Changes to bytes, the same in every run: for a bounded search on any compiler. The long search is that of `make fuzz`.

/// Bytes that mean something in more than one format, and numbers that are too large for what they count.
const WORDS: [&[u8]; 20] = [
    b"0",
    b"-1",
    b"1e999",
    b"65536",
    b"4294967295",
    b"18446744073709551615",
    b"null",
    b"\"\\u001b\"",
    b"{}",
    b"[[[[",
    b"\n",
    b",",
    b"../",
    b"/etc/passwd",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x92\xa9",
];

/// A source of numbers: xorshift64*.
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`, or 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        bits as usize % n.max(1)
    }
}

/// A changed copy of one of the seeds.
pub fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds.get(random.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..1 + random.below(4) {
        change(&mut bytes, seeds, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    // Headers lie at the beginning, where most of what can be wrong is.
    let reach = if random.below(3) > 0 { bytes.len().min(1024) } else { bytes.len() };
    let at = random.below(reach + 1);
    let most = if random.below(4) > 0 { 8 } else { reach };
    let end = (at + 1 + random.below(most)).min(bytes.len());
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        2 => drop(bytes.drain(at..end.max(at))),
        3 => bytes.truncate(at),
        4 => {
            let word = WORDS[random.below(WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
        5 => {
            let word = WORDS[random.below(WORDS.len())];
            let end = (at + word.len()).min(bytes.len());
            bytes.splice(at..end, word.iter().copied());
        }
        6 => {
            let again = bytes[at..end.max(at)].to_vec();
            bytes.splice(at..at, again);
        }
        7 => {
            // The end of another seed.
            let other = &seeds[random.below(seeds.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(other.get(at..).unwrap_or_default());
        }
        _ => number(bytes, at, random),
    }
}

/// Replaces the next number in digits by another.
fn number(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[at..].iter().position(digit).map(|start| at + start) else { return };
    let length = bytes[start..].iter().position(|byte| !digit(byte)).unwrap_or(bytes.len() - start);
    let word = WORDS[random.below(6)];
    bytes.splice(start..start + length, word.iter().copied());
}
