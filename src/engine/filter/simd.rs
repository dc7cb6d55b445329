//! The filter with instructions that not every processor has: AVX2 and BMI, as x86-64 processors have since 2013.
//!
//! The only unsafe code of the engine. Two things are promised to the compiler here and nowhere else. First, that the
//! processor has the instructions: [`stops_at`] asks before it calls. Second, that 32 bytes may be read from an address:
//! the address is that of an array of 32 bytes.
#![allow(unsafe_code, reason = "see above")]

use super::grams::Grams;
use super::short::Short;

/// Whether a line may hold an atom; `None` where the processor has not got the instructions.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn stops_at(_: &Grams, _: &Short, _: &[u8]) -> Option<bool> {
    None
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::stops_at;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
        _mm256_srli_epi16, _mm256_storeu_si256,
    };

    use super::super::short::{Halves, PRINT};
    use super::{Grams, Short};

    /// Places looked at in one go.
    const PLACES: usize = 32;
    /// Bytes that they reach over.
    const REACH: usize = PLACES + PRINT - 1;

    /// Whether a line may hold an atom; `None` where the processor has not got the instructions.
    pub(in super::super) fn stops_at(grams: &Grams, short: &Short, line: &[u8]) -> Option<bool> {
        // What this asks is looked up once and then kept.
        let is_here =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        // SAFETY: the processor has the instructions.
        is_here.then(|| unsafe { both(grams, short, line) })
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn both(grams: &Grams, short: &Short, line: &[u8]) -> bool {
        grams.stops_at(line) || (!short.is_empty() && each_place(short, line))
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn each_place(short: &Short, line: &[u8]) -> bool {
        match *short.pairs {
            [a] => each_pair(short, [a], line),
            [a, b] => each_pair(short, [a, b], line),
            [a, b, c] => each_pair(short, [a, b, c], line),
            [a, b, c, d] => each_pair(short, [a, b, c, d], line),
            _ => each_byte(short, line),
        }
    }

    /// Looks for pairs at every place.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn each_pair<const N: usize>(short: &Short, pairs: [[u8; 2]; N], line: &[u8]) -> bool {
        // No `map`: it does not have the instructions, and so would be called, closure and all.
        let mut wide = [[_mm256_setzero_si256(); 2]; N];
        for (wide, [first, second]) in wide.iter_mut().zip(pairs) {
            *wide = [_mm256_set1_epi8(first.cast_signed()), _mm256_set1_epi8(second.cast_signed())];
        }
        let mut at = 0;
        while at + REACH <= line.len() {
            if let Some(bytes) = line[at..].first_chunk()
                && look_at(short, line, at, any_pair(&wide, bytes))
            {
                return true;
            }
            at += PLACES;
        }
        let mut padded = [0; REACH];
        let rest = &line[at..];
        padded[..rest.len()].copy_from_slice(rest);
        look_at(short, line, at, any_pair(&wide, &padded))
    }

    /// The places at which one of the pairs stands.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn any_pair<const N: usize>(pairs: &[[__m256i; 2]; N], bytes: &[u8; REACH]) -> u32 {
        let (first, second) = (folded(bytes, 0), folded(bytes, 1));
        let mut any = _mm256_setzero_si256();
        for pair in pairs {
            let both = _mm256_and_si256(_mm256_cmpeq_epi8(first, pair[0]), _mm256_cmpeq_epi8(second, pair[1]));
            any = _mm256_or_si256(any, both);
        }
        _mm256_movemask_epi8(any) as u32
    }

    /// The bytes from this place on, letters in lower case.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn folded(bytes: &[u8; REACH], place: usize) -> __m256i {
        let fold = _mm256_set1_epi8(0x20);
        match bytes[place..].first_chunk() {
            Some(bytes) => _mm256_or_si256(load(bytes), fold),
            None => fold,
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn look_at(short: &Short, line: &[u8], at: usize, places: u32) -> bool {
        places != 0 && closely_at(short, line, at, places)
    }

    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn closely_at(short: &Short, line: &[u8], at: usize, mut places: u32) -> bool {
        while places != 0 {
            let place = at + places.trailing_zeros() as usize;
            places &= places - 1;
            if short.holds(line, place, short.pairs_at(line, place)) {
                return true;
            }
        }
        false
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn each_byte(short: &Short, line: &[u8]) -> bool {
        let tables = short.halves.map(|halves| tables(&halves));
        if line.len() < REACH {
            // Where an atom would reach beyond the line, a closer look says no.
            let mut padded = [0; REACH];
            padded[..line.len()].copy_from_slice(line);
            return look(short, line, 0, candidates(&tables, &padded));
        }
        let mut at = 0;
        while at + REACH <= line.len() {
            if let Some(bytes) = line[at..].first_chunk()
                && look(short, line, at, candidates(&tables, bytes))
            {
                return true;
            }
            at += PLACES;
        }
        let last = line.len() - REACH;
        line[last..].first_chunk().is_some_and(|bytes| look(short, line, last, candidates(&tables, bytes)))
    }

    /// For each of 32 places, the buckets that are left over.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn candidates(tables: &[(__m256i, __m256i); PRINT], bytes: &[u8; REACH]) -> __m256i {
        let (fold, low) = (_mm256_set1_epi8(0x20), _mm256_set1_epi8(0x0f));
        let mut left = _mm256_set1_epi8(-1);
        for (place, (lower, upper)) in tables.iter().enumerate() {
            let Some(bytes) = bytes[place..].first_chunk() else { continue };
            let folded = _mm256_or_si256(load(bytes), fold);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(folded), low);
            let fits = _mm256_and_si256(
                _mm256_shuffle_epi8(*lower, _mm256_and_si256(folded, low)),
                _mm256_shuffle_epi8(*upper, high),
            );
            left = _mm256_and_si256(left, fits);
        }
        left
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn look(short: &Short, line: &[u8], at: usize, left: __m256i) -> bool {
        let none = _mm256_movemask_epi8(_mm256_cmpeq_epi8(left, _mm256_setzero_si256())) as u32;
        none != u32::MAX && closely(short, line, at, left, !none)
    }

    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn closely(short: &Short, line: &[u8], at: usize, left: __m256i, mut places: u32) -> bool {
        let mut buckets = [0; PLACES];
        // SAFETY: the array has 32 bytes.
        unsafe { _mm256_storeu_si256(buckets.as_mut_ptr().cast(), left) };
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            if short.holds(line, at + place, buckets[place]) {
                return true;
            }
        }
        false
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn load(bytes: &[u8; PLACES]) -> __m256i {
        // SAFETY: the array has 32 bytes.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// The tables of one place, once for each half of a vector.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn tables(halves: &Halves) -> (__m256i, __m256i) {
        // SAFETY: both arrays have 16 bytes.
        let [lower, upper] =
            [&halves.lower, &halves.upper].map(|table| unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
        (_mm256_broadcastsi128_si256(lower), _mm256_broadcastsi128_si256(upper))
    }
}
