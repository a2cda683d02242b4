// Questions to the firmware that take their time (R100, A14, K38, K39). UPLOAD returns -EAGAIN
// and the caller repeats it; the repetition is recognised by domain, id, size and *all* bytes, of
// which a copy is kept meanwhile: a hash that is not cryptographic would let a caller get one
// file verified and another one loaded. The payload is not listed while it waits.
//
// A few questions may be open at once; a new one takes the place of the oldest. An unanswered
// question is asked again with every repetition, so that a machine that was saved in between does
// not wait for an answer that died with its process.

import {
  FIRMWARE_DATA_LEN,
  FIRMWARE_DATA_OFF,
  FIRMWARE_HASH,
  FIRMWARE_KEY_ID_LEN,
  FIRMWARE_KEY_ID_OFF,
  FIRMWARE_KEYS_LEN,
  FIRMWARE_KEYS_OFF,
  FIRMWARE_REQUEST,
  FIRMWARE_SIG_LEN,
  FIRMWARE_SIG_OFF,
  FIRMWARE_SIGNER_LEN,
  FIRMWARE_SIGNER_OFF,
  FIRMWARE_SIZE,
  XEN_XSPLICE_ID_SIZE,
} from "../abi";
import { claim_record } from "../hv/claims";
import { firmware } from "../hv/firmware";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { HEADER_OFF, HEADER_SIZE } from "../hv/layout";
import { REASON_SIG_KEY_UNKNOWN } from "../reasons";
import { LOADER_SCRATCH_OFF } from "./elf";
import { keystore_bytes, keystore_entries_off } from "./keystore";
import { copy_id, ids_equal } from "./payload";

/** The trailer's parts, in linear memory, valid during one upload. */
@unmanaged
export class Trailer {
  data_off: usize; // what is signed
  data_len: u32;
  hash: u32; // HASH_ALGO_*
  sig_off: usize;
  sig_len: u32;
  key_id_off: usize;
  key_id_len: u32;
  signer_off: usize;
  signer_len: u32;
}

/** Beside 0 (good) and REASON_SIG_*. */
export const VERDICT_PENDING: u32 = 0xffffffff;
export const VERDICT_NO_MEMORY: u32 = 0xfffffffe;

const FREE: u32 = 0;
const ASKED: u32 = 1;
const ANSWERED: u32 = 2;


@unmanaged
class Question {
  state: u32;
  request: u32; // never 0; orders the questions by age
  verdict: u32;
  domain: i32;
  size: u32;
  copy_pages: u32;
  copy_off: usize; // the whole file
  pad0: u32;
  // 32: id, 40 bytes
  @inline get id_off(): usize {
    return changetype<usize>(this) + 32;
  }
}
const QUESTION_SIZE: usize = 96;
const NR_QUESTIONS: u32 = 4;
if (offsetof<Question>() != 32) ERROR("Question's fixed part is 32 bytes");

/** At the end of the header's page: the number of the last request, then the questions. */
const QUESTIONS_OFF: usize = HEADER_OFF + HEADER_SIZE - 512;
const FIRST_OFF: usize = QUESTIONS_OFF + 16;
if (FIRST_OFF + QUESTION_SIZE * <usize>NR_QUESTIONS > HEADER_OFF + HEADER_SIZE) ERROR("Question");

const RECORD_OFF: usize = LOADER_SCRATCH_OFF + 1024;


@inline
function question(i: u32): Question {
  return changetype<Question>(FIRST_OFF + QUESTION_SIZE * <usize>i);
}

/** Of a machine from a file: the copies of what was asked about are where the questions say. */
export function audit_questions(): bool {
  for (let i: u32 = 0; i < NR_QUESTIONS; i++) {
    const q = question(i);
    if (q.state == FREE) continue;
    if (q.state > ANSWERED || q.request == 0 || q.size == 0) return false;
    if (q.copy_pages != pages_for(q.size)) return false;
    if (!claim_record(<u64>q.copy_off, q.copy_pages, OWNER_STAGING)) return false;
  }
  return true;
}

/** Scratch for a trailer. */
export function new_trailer(): Trailer {
  const off = RECORD_OFF + FIRMWARE_SIZE;
  memory.fill(off, 0, offsetof<Trailer>());
  return changetype<Trailer>(off);
}

function drop(q: Question): void {
  free_frames(q.copy_off, q.copy_pages);
  memory.fill(changetype<usize>(q), 0, QUESTION_SIZE);
}

function is_same(q: Question, file_off: usize, size: u32, id_off: usize, domain: i32): bool {
  return (
    q.size == size &&
    q.domain == domain &&
    ids_equal(q.id_off, id_off) &&
    memory.compare(q.copy_off, file_off, size) == 0
  );
}

/** The open question about this upload; an overlay at 0 when it is new. An earlier question of the
 *  same domain about the same id has lost its asker and is dropped. */
function find_question(file_off: usize, size: u32, id_off: usize, domain: i32): Question {
  for (let i: u32 = 0; i < NR_QUESTIONS; i++) {
    const q = question(i);
    if (q.state == FREE) continue;
    if (is_same(q, file_off, size, id_off, domain)) return q;
    if (q.domain == domain && ids_equal(q.id_off, id_off)) drop(q);
  }
  return changetype<Question>(0);
}

function oldest(): Question {
  let best = question(0);
  for (let i: u32 = 0; i < NR_QUESTIONS; i++) {
    const q = question(i);
    if (q.state == FREE) return q;
    if (q.request < best.request) best = q;
  }
  return best;
}

function open_question(file_off: usize, size: u32, id_off: usize, domain: i32): Question {
  const q = oldest();
  if (q.state != FREE) drop(q);
  const pages = pages_for(size);
  const copy_off = alloc_frames(pages, OWNER_STAGING);
  if (copy_off == 0) return changetype<Question>(0);
  memory.copy(copy_off, file_off, size);
  const last = load<u32>(QUESTIONS_OFF) + 1;
  store<u32>(QUESTIONS_OFF, last == 0 ? 1 : last);
  q.request = load<u32>(QUESTIONS_OFF);
  q.state = ASKED;
  q.domain = domain;
  q.size = size;
  q.copy_off = copy_off;
  q.copy_pages = pages;
  copy_id(q.id_off, id_off);
  return q;
}

function ask(t: Trailer, request: u32): i32 {
  const r = RECORD_OFF;
  store<u32>(r, request, FIRMWARE_REQUEST);
  store<u32>(r, t.hash, FIRMWARE_HASH);
  store<u32>(r, <u32>t.data_off, FIRMWARE_DATA_OFF);
  store<u32>(r, t.data_len, FIRMWARE_DATA_LEN);
  store<u32>(r, <u32>t.sig_off, FIRMWARE_SIG_OFF);
  store<u32>(r, t.sig_len, FIRMWARE_SIG_LEN);
  store<u32>(r, <u32>t.key_id_off, FIRMWARE_KEY_ID_OFF);
  store<u32>(r, t.key_id_len, FIRMWARE_KEY_ID_LEN);
  store<u32>(r, <u32>t.signer_off, FIRMWARE_SIGNER_OFF);
  store<u32>(r, t.signer_len, FIRMWARE_SIGNER_LEN);
  store<u32>(r, <u32>keystore_entries_off(), FIRMWARE_KEYS_OFF);
  store<u32>(r, keystore_bytes(), FIRMWARE_KEYS_LEN);
  return firmware(r);
}

/** 0 the signature is good; VERDICT_PENDING; VERDICT_NO_MEMORY; REASON_SIG_*. */
export function ask_firmware(t: Trailer, size: u32, id_off: usize, domain: i32): u32 {
  let q = find_question(t.data_off, size, id_off, domain);
  if (changetype<usize>(q) == 0) q = open_question(t.data_off, size, id_off, domain);
  if (changetype<usize>(q) == 0) return VERDICT_NO_MEMORY;
  if (q.state == ASKED && ask(t, q.request) != 0) {
    // The platform has no such service: nothing can be verified.
    drop(q);
    return REASON_SIG_KEY_UNKNOWN;
  }
  // The answer may have come during the call.
  if (q.state == ASKED) return VERDICT_PENDING;
  const verdict = q.verdict;
  drop(q);
  return verdict;
}

/**
 * hv_firmware_answer. `verdict` 0 or REASON_SIG_*. A question that is no longer open is ignored.
 */
export function firmware_answer(request: u32, verdict: u32): void {
  for (let i: u32 = 0; i < NR_QUESTIONS; i++) {
    const q = question(i);
    if (q.state != ASKED || q.request != request) continue;
    q.verdict = verdict;
    q.state = ANSWERED;
  }
}
