// Hashes of the machine's memory, 64 bits: after xxHash's rounds, not for any adversary.

export const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;


@inline
export function mix(lane: u64, word: u64): u64 {
  return rotl<u64>(lane ^ (word * PRIME_2), 31) * PRIME_1;
}

/** Four independent lanes, so that multiplications overlap; `len` is a multiple of 32. */
export function hash_bytes(off: usize, len: usize, seed: u64): u64 {
  let a = seed;
  let b = seed ^ PRIME_1;
  let c = seed ^ PRIME_2;
  let d = ~seed;
  for (const end = off + len; off < end; off += 32) {
    a = mix(a, load<u64>(off));
    b = mix(b, load<u64>(off, 8));
    c = mix(c, load<u64>(off, 16));
    d = mix(d, load<u64>(off, 24));
  }
  return mix(mix(mix(a, b), c), d);
}

/** Of the whole words from `off` on, one after the other. */
export function hash_words(hash: u64, off: usize, end_off: usize): u64 {
  for (; off < end_off; off += 8) hash = mix(hash, load<u64>(off));
  return hash;
}
