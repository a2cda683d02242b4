// The signature trailer (R72-R79, K64). Behind the ELF file, whose end is the largest extent of its
// headers and sections, and exactly there:
//
//   "~Module signature appended~\n"   28 bytes
//   struct elf_payload_signature      12 bytes: algo, hash, id_type, signer_len, key_id_len,
//                                     pad[3], sig_len (big-endian)
//   signature, key identifier, signer's name
//
// and the file ends. What is signed is the file up to the ELF's end, as uploaded. This is the RFC's
// order; Linux, from which it is borrowed, has the string last: recognised and refused with its own
// number. The cryptography is the firmware's (signature_request.ts).

import {
  EACCES,
  EAGAIN,
  EBADMSG,
  ENODATA,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
  HASH_ALGO_SHA256,
  HASH_ALGO_SHA384,
  HASH_ALGO_SHA512,
  OPTION_REQUIRE_SIGNATURE,
  SIG_FORMAT_ID_TYPE,
  SIG_FORMAT_LENGTHS,
  SIG_FORMAT_LINUX,
  SIG_FORMAT_MAGIC,
  SIG_FORMAT_PAD,
  SIG_FORMAT_SHORT,
} from "../abi";
import { header } from "../hv/header";
import { refuse_at } from "../hv/refusal";
import {
  PLACE_SIGNATURE,
  REASON_NO_MEMORY,
  REASON_PREEMPTED,
  REASON_SIG_ALGO,
  REASON_SIG_BAD,
  REASON_SIG_FORMAT,
  REASON_SIG_KEY_UNKNOWN,
  REASON_SIG_MISSING,
} from "../reasons";
import { ElfFile, refused_value } from "./elf";
import { keystore_bytes } from "./keystore";
import { Payload } from "./payload";
import {
  ask_firmware,
  new_trailer,
  Trailer,
  VERDICT_NO_MEMORY,
  VERDICT_PENDING,
} from "./signature_request";

const MAGIC = memory.data<u8>([
  0x7e, 0x4d, 0x6f, 0x64, 0x75, 0x6c, 0x65, 0x20, 0x73, 0x69, 0x67, 0x6e, 0x61, 0x74, 0x75, 0x72,
  0x65, 0x20, 0x61, 0x70, 0x70, 0x65, 0x6e, 0x64, 0x65, 0x64, 0x7e, 0x0a,
]); // "~Module signature appended~\n"
const MAGIC_LEN: u32 = 28;
const HEADER_LEN: u32 = 12;

const PKEY_ALGO_RSA: u32 = 1;
const PKEY_ID_X509: u32 = 1;

/** `what` is SIG_FORMAT_*. */
function refuse_format(what: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(EBADMSG, REASON_SIG_FORMAT, PLACE_SIGNATURE, what);
  refused_value(value, limit);
  return rc;
}

/** `at` is the byte in the header: 0 algo, 1 hash. The value has a name that the user knows. */
function refuse_algorithm(at: u32, value: u32): i32 {
  const rc = refuse_at(EOPNOTSUPP, REASON_SIG_ALGO, PLACE_SIGNATURE, at);
  refused_value(value, 0);
  return rc;
}

function is_magic(off: usize): bool {
  return memory.compare(off, MAGIC, MAGIC_LEN) == 0;
}

/** Reads the trailer of `len` bytes at `off` into `t`. */
function parse_trailer(t: Trailer, off: usize, len: u32): i32 {
  if (len < MAGIC_LEN || !is_magic(off)) {
    const linux = len >= MAGIC_LEN && is_magic(off + len - MAGIC_LEN);
    return refuse_format(linux ? SIG_FORMAT_LINUX : SIG_FORMAT_MAGIC, len, MAGIC_LEN);
  }
  if (len < MAGIC_LEN + HEADER_LEN) {
    return refuse_format(SIG_FORMAT_SHORT, len, MAGIC_LEN + HEADER_LEN);
  }
  const h = off + MAGIC_LEN;
  const algo = <u32>load<u8>(h);
  const hash = <u32>load<u8>(h, 1);
  const id_type = <u32>load<u8>(h, 2);
  const signer_len = <u32>load<u8>(h, 3);
  const key_id_len = <u32>load<u8>(h, 4);
  const pad = (<u32>load<u8>(h, 5)) | (<u32>load<u16>(h, 6));
  const sig_len = bswap<u32>(load<u32>(h, 8));
  if (pad != 0) return refuse_format(SIG_FORMAT_PAD, pad, 0);
  const rest = len - MAGIC_LEN - HEADER_LEN;
  const lengths = <u64>sig_len + key_id_len + signer_len;
  // R77: the parts use up the file, and there is something to verify and a key to find.
  if (lengths != rest || sig_len == 0 || key_id_len == 0) {
    return refuse_format(SIG_FORMAT_LENGTHS, lengths, rest);
  }
  if (algo != PKEY_ALGO_RSA) return refuse_algorithm(0, algo);
  if (hash != HASH_ALGO_SHA256 && hash != HASH_ALGO_SHA384 && hash != HASH_ALGO_SHA512) {
    return refuse_algorithm(1, hash);
  }
  if (id_type != PKEY_ID_X509) return refuse_format(SIG_FORMAT_ID_TYPE, id_type, PKEY_ID_X509);
  t.hash = hash;
  t.sig_off = h + HEADER_LEN;
  t.sig_len = sig_len;
  t.key_id_off = t.sig_off + sig_len;
  t.key_id_len = key_id_len;
  t.signer_off = t.key_id_off + key_id_len;
  t.signer_len = signer_len;
  return 0;
}

function refuse_verdict(verdict: u32): i32 {
  switch (verdict) {
    case VERDICT_PENDING:
      return refuse_at(EAGAIN, REASON_PREEMPTED, PLACE_SIGNATURE, 0);
    case VERDICT_NO_MEMORY:
      return refuse_at(ENOMEM, REASON_NO_MEMORY, PLACE_SIGNATURE, 0);
    case REASON_SIG_KEY_UNKNOWN:
      return refuse_at(EACCES, REASON_SIG_KEY_UNKNOWN, PLACE_SIGNATURE, 0);
    case REASON_SIG_ALGO:
      return refuse_at(EOPNOTSUPP, REASON_SIG_ALGO, PLACE_SIGNATURE, 0);
    case REASON_SIG_FORMAT:
      return refuse_format(SIG_FORMAT_LENGTHS, 0, 0);
    default:
      return refuse_at(EPERM, REASON_SIG_BAD, PLACE_SIGNATURE, 0);
  }
}

/**
 * After this the payload is signed by a key of this machine, or the machine does not ask for
 * that. A trailer that is there is always judged: its form always, its signature if the machine
 * has any key. -EAGAIN until the firmware has answered; the caller repeats the upload.
 */
export function check_signature(e: ElfFile, p: Payload, domain: i32): i32 {
  const required = (header().options & OPTION_REQUIRE_SIGNATURE) != 0;
  p.signed_by = 0;
  if (e.file_size == e.elf_size) {
    return required ? refuse_at(ENODATA, REASON_SIG_MISSING, PLACE_SIGNATURE, 0) : 0;
  }
  const t = new_trailer();
  const rc = parse_trailer(t, e.file_off + e.elf_size, e.file_size - e.elf_size);
  if (rc != 0) return rc;
  if (keystore_bytes() == 0) return required ? refuse_verdict(REASON_SIG_KEY_UNKNOWN) : 0;
  t.data_off = e.file_off;
  t.data_len = e.elf_size;
  const verdict = ask_firmware(t, e.file_size, p.id_off, domain);
  if (verdict != 0) return refuse_verdict(verdict);
  p.signed_by = 1;
  return 0;
}
