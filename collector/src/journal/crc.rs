//! CRC-32C (Castagnoli) of a datagram's length of bytes, three lanes at a time.
//!
//! The processor's instruction takes three cycles and one can begin in each, so three parts of the data are summed side by side
//! and put together by a carry-less multiplication (V. Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32
//! Instruction", Intel 2011). At 1400 bytes this is what an append costs most of.
#![expect(unsafe_code, reason = "calls a function that is compiled for processors with SSE 4.2 and PCLMULQDQ")]

/// Continues `crc` over `bytes`.
pub(super) fn append(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the processor has what the function is compiled for.
        return !unsafe { lanes::continued(!crc, bytes) };
    }
    crc32c::crc32c_append(crc, bytes)
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    use std::arch::x86_64::{_mm_clmulepi64_si128, _mm_crc32_u8, _mm_crc32_u64, _mm_cvtsi64_si128, _mm_cvtsi128_si64};

    /// Words of eight bytes that a lane has at most.
    const WORDS_MAX: usize = 256;
    /// With fewer, putting the lanes together costs more than they save.
    const WORDS_MIN: usize = 8;
    const LANES: usize = 3;
    /// The Castagnoli polynomial, lowest power in the highest bit.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    /// By word count: what a remainder is multiplied with to stand so many words further left. The multiplication itself adds
    /// 33 places: 32 of the reduction, and one because both factors have their lowest power in the highest bit.
    static SHIFTS: [u32; 2 * WORDS_MAX + 1] = shifts();

    const fn shifts() -> [u32; 2 * WORDS_MAX + 1] {
        let mut shifts = [0; 2 * WORDS_MAX + 1];
        let mut power = times_x(0x8000_0000, 64 - 33);
        let mut words = 1;
        while words < shifts.len() {
            shifts[words] = power;
            power = times_x(power, 64);
            words += 1;
        }
        shifts
    }

    /// A polynomial times the power `places` of x, modulo [`POLYNOMIAL`].
    const fn times_x(mut polynomial: u32, mut places: u32) -> u32 {
        while places > 0 {
            let is_odd = polynomial & 1 == 1;
            polynomial = (polynomial >> 1) ^ if is_odd { POLYNOMIAL } else { 0 };
            places -= 1;
        }
        polynomial
    }

    #[target_feature(enable = "sse4.2,pclmulqdq")]
    pub(super) fn continued(state: u32, mut bytes: &[u8]) -> u32 {
        let mut state = u64::from(state);
        loop {
            let words = (bytes.len() / (8 * LANES)).min(WORDS_MAX);
            if words < WORDS_MIN {
                break;
            }
            let (first, rest) = bytes.split_at(8 * words);
            let (second, rest) = rest.split_at(8 * words);
            let (third, rest) = rest.split_at(8 * words);
            let (mut a, mut b, mut c) = (state, 0, 0);
            let lanes = first.as_chunks().0.iter().zip(second.as_chunks().0).zip(third.as_chunks().0);
            for ((first, second), third) in lanes {
                a = _mm_crc32_u64(a, u64::from_le_bytes(*first));
                b = _mm_crc32_u64(b, u64::from_le_bytes(*second));
                c = _mm_crc32_u64(c, u64::from_le_bytes(*third));
            }
            state = shifted(a, 2 * words) ^ shifted(b, words) ^ c;
            bytes = rest;
        }
        let (words, rest) = bytes.as_chunks();
        for word in words {
            state = _mm_crc32_u64(state, u64::from_le_bytes(*word));
        }
        rest.iter().fold(state as u32, |state, byte| _mm_crc32_u8(state, *byte))
    }

    /// A remainder, as it is when so many words of zeros follow.
    #[target_feature(enable = "sse4.2,pclmulqdq")]
    fn shifted(state: u64, words: usize) -> u64 {
        let by = _mm_cvtsi64_si128(i64::from(SHIFTS[words]));
        let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(state.cast_signed()), by);
        _mm_crc32_u64(0, _mm_cvtsi128_si64(product).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_as_another_implementation() {
        assert_eq!(append(0, b"123456789"), 0xe306_9283);
        let bytes: Vec<u8> = (0..70_010_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let lengths = (0..1600).chain([4096, 6143, 6144, 6145, 6336, 12_288, 65_535, 65_575, 69_999]);
        for (seed, length) in (0_u32..).zip(lengths) {
            let bytes = &bytes[length % 7..][..length];
            let seed = seed.wrapping_mul(0x9e37_79b9);
            assert_eq!(append(seed, bytes), crc32c::crc32c_append(seed, bytes), "{length} bytes");
        }
    }
}
