// xsplice/signature: the trailer's form and what becomes of the firmware's answer (R72-R79, R100,
// K64, A14). The cryptography itself is the host's; here the spec plays the firmware.

import {
  EACCES,
  EAGAIN,
  EBADMSG,
  ENODATA,
  EOPNOTSUPP,
  EPERM,
  OPTION_REQUIRE_SIGNATURE,
  SIG_FORMAT_ID_TYPE,
  SIG_FORMAT_LENGTHS,
  SIG_FORMAT_LINUX,
  SIG_FORMAT_MAGIC,
  SIG_FORMAT_PAD,
  SIG_FORMAT_SHORT,
} from "../../../assembly/abi";
import { count_frames, OWNER_STAGING } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { KEYSTORE_OFF } from "../../../assembly/hv/layout";
import { KEYSTORE_SIZE } from "../../../assembly/hv/param";
import { refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_SIGNATURE,
  REASON_BOOT_PARAMETER,
  REASON_PREEMPTED,
  REASON_SIG_ALGO,
  REASON_SIG_BAD,
  REASON_SIG_FORMAT,
  REASON_SIG_KEY_UNKNOWN,
  REASON_SIG_MISSING,
} from "../../../assembly/reasons";
import { keystore_bytes, set_keystore } from "../../../assembly/xsplice/keystore";
import { Payload } from "../../../assembly/xsplice/payload";
import { firmware_answer } from "../../../assembly/xsplice/signature_request";
import { load_payload, unload_payload } from "../../../assembly/xsplice/load";
import { claim, machine_hash, reset_machine } from "../support/bare_machine";
import { Sample } from "../support/sample_payload";

const MAGIC = "~Module signature appended~\n";
const SIG_LEN: u32 = 16;
const KEY_ID_LEN: u32 = 20;
const SIGNER_LEN: u32 = 5;
const TRAILER: u32 = 28 + 12 + SIG_LEN + KEY_ID_LEN + SIGNER_LEN;

let b: Sample = new Sample();
let p: Payload = changetype<Payload>(0);
let trailer: usize = 0;
let size: u32 = 0;

/** A good payload with a good trailer: RSA, SHA-256. */
function begin(): void {
  reset_machine();
  memory.fill(KEYSTORE_OFF, 0, KEYSTORE_SIZE);
  b = new Sample();
  b.build();
  trailer = b.file_off + b.file_size;
  for (let i = 0; i < 28; i++) store<u8>(trailer + i, <u8>MAGIC.charCodeAt(i));
  store<u32>(trailer + 28, 0x05010401); // algo 1, hash 4, id_type 1, signer 5
  store<u32>(trailer + 32, KEY_ID_LEN);
  store<u32>(trailer + 36, bswap<u32>(SIG_LEN));
  for (let i: u32 = 40; i < TRAILER; i++) store<u8>(trailer + i, <u8>i);
  size = b.file_size + TRAILER;
  p = claim("signed");
}

/** One key of 3 bytes: the spec is the firmware, so any will do. */
function add_key(): void {
  const key = heap.alloc(8);
  store<u32>(key, 3);
  store<u32>(key, 0x030201, 4);
  expect<i32>(set_keystore(key, 7)).toBe(0);
}

function upload(): i32 {
  return load_payload(b.file_off, size, p, 0);
}

function refused(errno: i32, reason: u32, index: u32): void {
  const before = machine_hash(64);
  expect<i32>(upload()).toBe(-errno);
  expect<u32>(refusal().reason).toBe(reason);
  expect<u32>(refusal().place).toBe(PLACE_SIGNATURE);
  expect<u32>(refusal().index).toBe(index);
  expect<u64>(machine_hash(64)).toBe(before);
}

/** Number of the request that is open: they are counted from 1 after a reset. */
let request: u32 = 0;
function asks(): void {
  request++;
  expect<i32>(upload()).toBe(-EAGAIN);
  expect<u32>(refusal().reason).toBe(REASON_PREEMPTED);
}

describe("signature trailer", () => {
  beforeEach(begin);

  it("is not needed, unless the machine was booted so (R72)", () => {
    size = b.file_size;
    expect<i32>(upload()).toBe(0);
    begin();
    header().options = OPTION_REQUIRE_SIGNATURE;
    size = b.file_size;
    refused(ENODATA, REASON_SIG_MISSING, 0);
  });

  it("is judged by its form even where nobody asks for one", () => {
    store<u8>(trailer + 33, 1);
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_PAD);
  });

  it("has zero pads (R77)", () => {
    for (let i = 33; i < 36; i++) {
      begin();
      store<u8>(trailer + i, 0x80);
      refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_PAD);
    }
  });

  it("begins exactly where the ELF file ends (K64)", () => {
    for (let i = 0; i < 28; i++) {
      begin();
      store<u8>(trailer + i, load<u8>(trailer + i) ^ 0x20);
      refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_MAGIC);
    }
    begin();
    memory.copy(trailer + 1, trailer, TRAILER);
    store<u8>(trailer, 0);
    size++;
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_MAGIC);
  });

  it("is told apart from a Linux module's (K64)", () => {
    memory.copy(trailer + 53, trailer, 28);
    memory.fill(trailer, 0x55, 53);
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_LINUX);
  });

  it("may be cut at no byte", () => {
    for (let cut: u32 = 1; cut < TRAILER; cut++) {
      begin();
      size = b.file_size + cut;
      const before = machine_hash(64);
      expect<i32>(upload()).toBe(-EBADMSG);
      const kind = cut < 28 ? SIG_FORMAT_MAGIC : cut < 40 ? SIG_FORMAT_SHORT : SIG_FORMAT_LENGTHS;
      expect<u32>(refusal().index).toBe(kind);
      expect<u64>(machine_hash(64)).toBe(before);
    }
  });

  it("uses up the file, without empty parts (R77)", () => {
    size++;
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_LENGTHS);
    begin();
    store<u32>(trailer + 36, 0xffffffff);
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_LENGTHS);
    begin();
    store<u32>(trailer + 36, 0);
    size -= SIG_LEN;
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_LENGTHS);
    begin();
    store<u8>(trailer + 32, 0);
    size -= KEY_ID_LEN;
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_LENGTHS);
  });

  it("uses RSA with SHA-256, SHA-384 or SHA-512; the rest is refused by number (R76)", () => {
    store<u8>(trailer + 28, 0);
    refused(EOPNOTSUPP, REASON_SIG_ALGO, 0);
    for (let hash: u32 = 0; hash < 20; hash++) {
      begin();
      store<u8>(trailer + 29, <u8>hash);
      if (hash >= 4 && hash <= 6) expect<i32>(upload()).toBe(0);
      else {
        refused(EOPNOTSUPP, REASON_SIG_ALGO, 1);
        expect<u64>(refusal().value).toBe(hash);
      }
    }
  });

  it("names its key by an X.509 key identifier (A14)", () => {
    store<u8>(trailer + 30, 0);
    refused(EBADMSG, REASON_SIG_FORMAT, SIG_FORMAT_ID_TYPE);
  });
});

describe("signature verdict", () => {
  beforeEach(() => {
    begin();
    request = 0;
  });

  it("is not asked for without keys, and fails then where it is required", () => {
    expect<i32>(upload()).toBe(0);
    expect<u32>(p.signed_by).toBe(0);
    begin();
    header().options = OPTION_REQUIRE_SIGNATURE;
    refused(EACCES, REASON_SIG_KEY_UNKNOWN, 0);
  });

  it("is waited for: -EAGAIN until the firmware has answered (R100)", () => {
    add_key();
    asks();
    expect<i32>(upload()).toBe(-EAGAIN);
    expect<i32>(upload()).toBe(-EAGAIN);
    firmware_answer(request, 0);
    expect<i32>(upload()).toBe(0);
    expect<u32>(p.signed_by).toBe(1);
    expect<u32>(count_frames(OWNER_STAGING)).toBe(0);
    unload_payload(p);
    // The answer was for that upload: the next one is asked about again.
    asks();
  });

  it("refuses what the firmware refuses (D2)", () => {
    add_key();
    const before = machine_hash(64);
    asks();
    firmware_answer(request, REASON_SIG_BAD);
    expect<i32>(upload()).toBe(-EPERM);
    expect<u32>(refusal().reason).toBe(REASON_SIG_BAD);
    expect<u64>(machine_hash(64)).toBe(before);
    asks();
    firmware_answer(request, REASON_SIG_KEY_UNKNOWN);
    expect<i32>(upload()).toBe(-EACCES);
    expect<u32>(refusal().reason).toBe(REASON_SIG_KEY_UNKNOWN);
    asks();
    firmware_answer(request, 12345);
    expect<i32>(upload()).toBe(-EPERM);
    expect<u64>(machine_hash(64)).toBe(before);
  });

  it("is for these very bytes, this id, this domain (A14)", () => {
    add_key();
    asks();
    firmware_answer(request, 0);
    store<u8>(b.bytes_off(b.text), 0x90);
    asks();
    firmware_answer(request, 0);
    store<u8>(trailer + 41, 0x90);
    asks();
    firmware_answer(request, 0);
    store<u8>(p.id_off, 0x53);
    asks();
    firmware_answer(request, 0);
    expect<i32>(load_payload(b.file_off, size, p, 1)).toBe(-EAGAIN);
    request++;
    expect<i32>(upload()).toBe(0);
  });

  it("comes too late for a question that was given up", () => {
    add_key();
    asks();
    const old = request;
    store<u8>(trailer + 41, 0x90);
    asks();
    firmware_answer(old, 0);
    expect<i32>(upload()).toBe(-EAGAIN);
    firmware_answer(0, 0);
    firmware_answer(999, 0);
    expect<i32>(upload()).toBe(-EAGAIN);
  });

  it("keeps a few questions open, not any number", () => {
    add_key();
    for (let i: u32 = 0; i < 9; i++) {
      store<u8>(p.id_off, <u8>(0x61 + i));
      asks();
    }
    expect<u32>(count_frames(OWNER_STAGING)).toBe(4);
    firmware_answer(request, 0);
    expect<i32>(upload()).toBe(0);
    expect<u32>(count_frames(OWNER_STAGING)).toBe(3);
  });
});

describe("keystore", () => {
  beforeEach(begin);

  it("takes whole entries only", () => {
    const at = heap.alloc(64);
    memory.fill(at, 0, 64);
    store<u32>(at, 60);
    expect<i32>(set_keystore(at, 64)).toBe(0);
    expect<u32>(keystore_bytes()).toBe(64);
    expect<i32>(set_keystore(at, 63)).toBe(-22);
    expect<u32>(refusal().reason).toBe(REASON_BOOT_PARAMETER);
    expect<i32>(set_keystore(at, 3)).toBe(-22);
    store<u32>(at, 0xffffffff);
    expect<i32>(set_keystore(at, 64)).toBe(-22);
    expect<i32>(set_keystore(at, KEYSTORE_SIZE)).toBe(-28);
    expect<u32>(keystore_bytes()).toBe(64);
    expect<i32>(set_keystore(at, 0)).toBe(0);
    expect<u32>(keystore_bytes()).toBe(0);
  });
});
