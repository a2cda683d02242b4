// xsplice/payload: the list (R101, R107, R111, R131, R133, K28), and records that leave no trace.

import { header } from "../../../assembly/hv/header";
import { PAYLOADS_OFF, SCRATCH_OFF } from "../../../assembly/hv/layout";
import { NR_PAYLOADS } from "../../../assembly/hv/param";
import {
  claim_payload,
  copy_id,
  find_payload,
  first_payload,
  ids_equal,
  is_payload,
  next_payload,
  Payload,
  payload_at,
  payload_number,
  release_payload,
  unlink_payload,
} from "../../../assembly/xsplice/payload";
import { list_payload, reset_engine } from "../support/engine_machine";

const ID: usize = SCRATCH_OFF + 2048;

function id(text: string): usize {
  memory.fill(ID, 0, 64);
  for (let i = 0; i < text.length; i++) store<u8>(ID + i, <u8>text.charCodeAt(i));
  return ID;
}

/** First characters of the ids, in list order. */
function order(): string {
  let text = "";
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    text += String.fromCharCode(load<u8>(p.id_off));
  }
  return text;
}

function find(text: string): Payload {
  return find_payload(id(text));
}

describe("payload list", () => {
  beforeEach(reset_engine);

  it("R101, R111: keeps upload order whatever is taken out", () => {
    list_payload("a", 1);
    list_payload("b", 1);
    list_payload("c", 1);
    expect<string>(order()).toBe("abc");
    const b = find("b");
    unlink_payload(b);
    release_payload(b);
    expect<string>(order()).toBe("ac");
    list_payload("d", 1); // takes b's slot
    expect<string>(order()).toBe("acd");
    const a = find("a");
    unlink_payload(a);
    release_payload(a);
    const d = find("d");
    unlink_payload(d);
    release_payload(d);
    expect<string>(order()).toBe("c");
    expect<u32>(header().payload_count).toBe(1);
  });

  it("R107, R131: the version starts at 1 and changes with every add and remove", () => {
    expect<u32>(header().payload_version).toBe(1);
    const p = list_payload("a", 1);
    expect<u32>(header().payload_version).toBe(2);
    unlink_payload(p);
    expect<u32>(header().payload_version).toBe(3);
  });

  it("K28: the version skips 0 when it wraps", () => {
    header().payload_version = 0xffffffff;
    list_payload("a", 1);
    expect<u32>(header().payload_version).toBe(1);
  });

  it("R133: compares 40 bytes, a 40-character id has no terminator", () => {
    const forty = "0123456789012345678901234567890123456789";
    list_payload(forty, 1);
    expect<bool>(is_payload(find(forty))).toBe(true);
    expect<bool>(is_payload(find(forty.substring(0, 39)))).toBe(false);
    // what follows 40 characters is not part of the id
    id(forty);
    store<u8>(ID + 40, 0x58);
    expect<bool>(is_payload(find_payload(ID))).toBe(true);
    store<u8>(ID + 39, 0x58);
    expect<bool>(is_payload(find_payload(ID))).toBe(false);
  });

  it("K36: what follows the NUL of an id is not kept", () => {
    id("ab");
    store<u8>(ID + 10, 0x77);
    copy_id(ID + 64, ID);
    for (let i: usize = 2; i < 40; i++) expect<u8>(load<u8>(ID + 64 + i)).toBe(0);
    expect<bool>(ids_equal(ID, ID + 64)).toBe(true);
  });

  it("a claimed record is not visible, a released one is zero", () => {
    const p = claim_payload();
    store<u8>(p.id_off, 0x61);
    expect<bool>(is_payload(find("a"))).toBe(false);
    expect<bool>(is_payload(first_payload())).toBe(false);
    release_payload(p);
    for (let i: usize = 0; i < 1024; i += 8) expect<u64>(load<u64>(PAYLOADS_OFF + i)).toBe(0);
  });

  it("holds NR_PAYLOADS, then none", () => {
    for (let i: u32 = 0; i < NR_PAYLOADS; i++) expect<bool>(is_payload(claim_payload())).toBe(true);
    expect<bool>(is_payload(claim_payload())).toBe(false);
    release_payload(payload_at(17));
    expect<u32>(claim_payload().slot).toBe(17);
  });

  it("is counted by position", () => {
    list_payload("a", 1);
    list_payload("b", 1);
    expect<u8>(load<u8>(payload_number(1).id_off)).toBe(0x62);
    expect<bool>(is_payload(payload_number(2))).toBe(false);
  });
});
