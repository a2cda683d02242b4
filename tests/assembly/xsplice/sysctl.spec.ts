// xsplice/sysctl: the five sub-operations on bytes as a toolstack writes them (R84-R124, K24-K31,
// K40, requirements A14; vectors of F). Offsets are written out as numbers: they are the ABI.

import {
  E2BIG,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOBUFS,
  ENODATA,
  ENOENT,
  ENOSYS,
  EPERM,
} from "../../../assembly/abi";
import { header } from "../../../assembly/hv/header";
import { GUEST_RAM_VA, HYPERVISOR_VA, SCRATCH_OFF } from "../../../assembly/hv/layout";
import { refusal } from "../../../assembly/hv/refusal";
import { state_hash } from "../../../assembly/hv/state_hash";
import { set_policy } from "../../../assembly/hv/xsm";
import {
  REASON_ARG_FAULT,
  REASON_BUSY,
  REASON_GET_STATUS_NONZERO,
  REASON_ID_EMPTY,
  REASON_ID_EXISTS,
  REASON_INFO_BUFFER,
  REASON_LIST_BATCH,
  REASON_LIST_HANDLE,
  REASON_LIST_INDEX,
  REASON_NO_BUILD_ID,
  REASON_NO_SUCH_ID,
  REASON_NOT_PRIVILEGED,
  REASON_SIZE_LIMIT,
  REASON_SIZE_ZERO,
  REASON_UNKNOWN_CMD,
  REASON_UNKNOWN_OP,
  REASON_WRONG_STATE,
  REASON_XSM_DENIED,
} from "../../../assembly/reasons";
import { refusal_of } from "../../../assembly/xsplice/explain";
import { xsplice_control } from "../../../assembly/xsplice/sysctl";
import { guest_off, list_payload, RAM_PAGES, reset_engine } from "../support/engine_machine";

/** The operation's copy of the union. */
const OP: usize = SCRATCH_OFF + 2048;
/** Where the guest has its buffers. */
const BUFFER: u64 = GUEST_RAM_VA + 0x100;
const RAM_END: u64 = GUEST_RAM_VA + ((<u64>RAM_PAGES) << 12);

function begin(cmd: u32): void {
  memory.fill(OP, 0, 64);
  store<u32>(OP, cmd);
}
function id(text: string): void {
  for (let i = 0; i < text.length; i++) store<u8>(OP + 8 + i, <u8>text.charCodeAt(i));
}
function done(domain: i32 = 0): i32 {
  return xsplice_control(OP, domain);
}

function get(text: string, status: i32 = 0): i32 {
  begin(1);
  id(text);
  store<i32>(OP + 8 + 40, status);
  return done();
}

/** LIST of 3 payloads; `left` afterwards is in nr. */
function list(nr: u32, idx: u32, handle: u64 = BUFFER): i32 {
  begin(2);
  store<u32>(OP + 8, 77); // version: ignored on input (K27)
  store<u32>(OP + 8 + 4, idx);
  store<u32>(OP + 8 + 8, nr);
  store<u64>(OP + 8 + 16, handle);
  return done();
}
function left(): u32 {
  return load<u32>(OP + 8 + 8);
}
function listed(i: u32): u8 {
  return load<u8>(guest_off(BUFFER + <u64>i * 44));
}

function action(text: string, cmd: u32): i32 {
  begin(3);
  id(text);
  store<u32>(OP + 8 + 40, cmd);
  store<u64>(OP + 8 + 48, 1000);
  return done();
}

function upload(text: string, size: u64, handle: u64): i32 {
  begin(0);
  id(text);
  store<u64>(OP + 8 + 40, size);
  store<u64>(OP + 8 + 48, handle);
  return done();
}

function refused(rc: i32, errno: i32, reason: u32): void {
  expect<i32>(rc).toBe(-errno);
  expect<u32>(refusal().reason).toBe(reason);
}

describe("GET", () => {
  beforeEach(reset_engine);

  it("R105: tells the status, errors and PROGRESS included", () => {
    list_payload("foo", 1);
    list_payload("bar", -EBUSY);
    list_payload("baz", 2);
    expect<i32>(get("foo")).toBe(0);
    expect<i32>(load<i32>(OP + 48)).toBe(1);
    expect<i32>(get("bar")).toBe(0);
    expect<i32>(load<i32>(OP + 48)).toBe(-EBUSY);
    expect<i32>(get("baz")).toBe(0);
    expect<i32>(load<i32>(OP + 48)).toBe(2);
  });

  it("R103: status must be 0 on input, before the id is looked at", () => {
    refused(get("nobody", 4), EINVAL, REASON_GET_STATUS_NONZERO);
    refused(get("nobody", -1), EINVAL, REASON_GET_STATUS_NONZERO);
  });

  it("R104: an unknown id", () => {
    list_payload("foo", 1);
    refused(get("fo"), ENOENT, REASON_NO_SUCH_ID);
    refused(get("fooo"), ENOENT, REASON_NO_SUCH_ID);
  });
});

describe("LIST", () => {
  beforeEach(() => {
    reset_engine();
    list_payload("x", 1);
    list_payload("y", 8);
    list_payload("z", -EBUSY);
  });

  it("F: (4,0) -> 3, nothing left", () => {
    expect<i32>(list(4, 0)).toBe(3);
    expect<u32>(left()).toBe(0);
    expect<u8>(listed(0)).toBe(0x78);
    expect<u8>(listed(1)).toBe(0x79);
    expect<u8>(listed(2)).toBe(0x7a);
  });
  it("F: (4,1) -> 2", () => {
    expect<i32>(list(4, 1)).toBe(2);
    expect<u8>(listed(0)).toBe(0x79);
    expect<u32>(left()).toBe(0);
  });
  it("F: (4,3) -> 0, (4,4) -> -EINVAL (K31)", () => {
    expect<i32>(list(4, 3)).toBe(0);
    expect<u32>(left()).toBe(0);
    refused(list(4, 4), EINVAL, REASON_LIST_INDEX);
    refused(list(4, 0xffffffff), EINVAL, REASON_LIST_INDEX);
  });
  it("F, A14: (64,0) is taken, (65,0) -> -E2BIG", () => {
    expect<i32>(list(64, 0)).toBe(3);
    refused(list(65, 0), E2BIG, REASON_LIST_BATCH);
    refused(list(0xffffffff, 9), E2BIG, REASON_LIST_BATCH);
  });
  it("K30: nr 0 is a probe and writes nothing", () => {
    store<u8>(guest_off(BUFFER), 0x55);
    expect<i32>(list(0, 0)).toBe(0);
    expect<u32>(left()).toBe(3);
    expect<i32>(list(0, 2, 0)).toBe(0);
    expect<u32>(left()).toBe(1);
    expect<u8>(listed(0)).toBe(0x55);
  });
  it("K26: returns how many, nr becomes what is left, idx stays", () => {
    expect<i32>(list(2, 0)).toBe(2);
    expect<u32>(left()).toBe(1);
    expect<u32>(load<u32>(OP + 8 + 4)).toBe(0);
    expect<i32>(list(1, 1)).toBe(1);
    expect<u32>(left()).toBe(1);
    expect<u32>(load<u32>(OP + 8 + 4)).toBe(1);
  });
  it("R107, K27: stamps the version, whatever came in", () => {
    list(4, 0);
    expect<u32>(load<u32>(OP + 8)).toBe(header().payload_version);
    expect<u32>(load<u32>(OP + 8)).toBe(4);
  });
  it("R111: an entry is 44 bytes, id whole, status behind it", () => {
    memory.fill(guest_off(BUFFER), 0x55, 44 * 3 + 4);
    expect<i32>(list(3, 0)).toBe(3);
    expect<u8>(load<u8>(guest_off(BUFFER + 1))).toBe(0);
    expect<u8>(load<u8>(guest_off(BUFFER + 39))).toBe(0);
    expect<i32>(load<i32>(guest_off(BUFFER + 40))).toBe(1);
    expect<i32>(load<i32>(guest_off(BUFFER + 44 + 40))).toBe(8);
    expect<i32>(load<i32>(guest_off(BUFFER + 88 + 40))).toBe(-EBUSY);
    expect<u8>(load<u8>(guest_off(BUFFER + 132))).toBe(0x55);
  });
  it("R110: a null handle with nr > 0", () => {
    refused(list(1, 0, 0), EINVAL, REASON_LIST_HANDLE);
  });
  it("R114: what cannot be written is -EFAULT, whole entries before it stand", () => {
    const near = RAM_END - 44 - 20;
    refused(list(3, 0, near), EFAULT, REASON_ARG_FAULT);
    expect<u32>(left()).toBe(2);
    expect<u8>(load<u8>(guest_off(near))).toBe(0x78);
    expect<u64>(refusal().va).toBe(near + 44);
    refused(list(1, 0, RAM_END), EFAULT, REASON_ARG_FAULT);
    refused(list(1, 0, 8), EFAULT, REASON_ARG_FAULT);
  });
  it("a handle into the hypervisor is refused: a guest cannot have it overwritten", () => {
    const text = header().text_lo_va;
    refused(list(1, 0, text), EFAULT, REASON_ARG_FAULT);
    refused(list(1, 0, HYPERVISOR_VA - 8), EFAULT, REASON_ARG_FAULT);
    refused(list(1, 0, u64.MAX_VALUE - 7), EFAULT, REASON_ARG_FAULT);
  });
});

describe("ACTION", () => {
  beforeEach(() => {
    reset_engine();
    list_payload("foo", 1);
  });

  it("R121: id empty, then id unknown, then command, then state", () => {
    refused(action("", 99), EINVAL, REASON_ID_EMPTY);
    refused(action("bar", 99), ENOENT, REASON_NO_SUCH_ID);
    refused(action("foo", 99), ENOSYS, REASON_UNKNOWN_CMD);
    refused(action("foo", 0), ENOSYS, REASON_UNKNOWN_CMD);
    refused(action("foo", 5), ENOSYS, REASON_UNKNOWN_CMD); // K41
    refused(action("foo", 4), EINVAL, REASON_WRONG_STATE);
  });

  it("K40: cmd stands at 40, time at 48; R122: answers at once, PROGRESS", () => {
    expect<i32>(action("foo", 1)).toBe(0);
    expect<i32>(get("foo")).toBe(0);
    expect<i32>(load<i32>(OP + 48)).toBe(2);
    refused(action("foo", 1), EBUSY, REASON_BUSY);
    refused(action("foo", 2), EBUSY, REASON_BUSY); // K61: not while work is scheduled
    expect<i32>(get("foo")).toBe(0);
  });

  it("R120, R123: UNLOAD is done at once, and leaves nothing", () => {
    const before = state_hash();
    list_payload("more", 1);
    expect<u64>(state_hash()).not.toBe(before);
    expect<i32>(action("more", 2)).toBe(0);
    expect<u64>(state_hash()).toBe(before);
    refused(get("more"), ENOENT, REASON_NO_SUCH_ID);
    refused(action("more", 1), ENOENT, REASON_NO_SUCH_ID);
  });

  it("A14: refusals are kept per payload, and of unknown ids in a ring of 16", () => {
    action("foo", 4);
    id("foo");
    expect<u32>(load<u32>(refusal_of(OP + 8), 4)).toBe(REASON_WRONG_STATE);
    for (let i = 0; i < 20; i++) action("no" + i.toString(), 1);
    begin(0);
    id("no3");
    expect<usize>(refusal_of(OP + 8)).toBe(0);
    begin(0);
    id("no4");
    expect<u32>(load<u32>(refusal_of(OP + 8), 4)).toBe(REASON_NO_SUCH_ID);
    begin(0);
    id("foo");
    expect<u32>(load<u32>(refusal_of(OP + 8), 4)).toBe(REASON_WRONG_STATE);
  });
});

describe("UPLOAD", () => {
  beforeEach(reset_engine);

  it("R97: id, size, handle, duplicate, in this order, and nothing changes", () => {
    list_payload("foo", 1);
    const before = state_hash();
    refused(upload("", 0, 0), EINVAL, REASON_ID_EMPTY);
    refused(upload("foo", 0, 0), EINVAL, REASON_SIZE_ZERO);
    refused(upload("foo", 33554433, 0), EINVAL, REASON_SIZE_LIMIT);
    refused(upload("foo", u64.MAX_VALUE, BUFFER), EINVAL, REASON_SIZE_LIMIT);
    refused(upload("foo", 64, 0), EFAULT, REASON_ARG_FAULT);
    refused(upload("foo", 64, RAM_END - 63), EFAULT, REASON_ARG_FAULT);
    refused(upload("foo", 64, header().text_lo_va), EFAULT, REASON_ARG_FAULT);
    refused(upload("foo", 64, BUFFER), EEXIST, REASON_ID_EXISTS);
    expect<u64>(state_hash()).toBe(before);
  });

  it("R225: what is no ELF file is refused by the loader, and its record is free again", () => {
    const before = state_hash();
    for (let size: u64 = 1; size < 300; size += 37) {
      const rc = upload("junk", size, BUFFER);
      expect<bool>(rc < 0).toBe(true);
      expect<u64>(state_hash()).toBe(before);
      refused(get("junk"), ENOENT, REASON_NO_SUCH_ID);
    }
  });
});

describe("INFO and access", () => {
  beforeEach(reset_engine);

  it("R91: gives the build-id's size, then its bytes", () => {
    begin(4);
    expect<i32>(done()).toBe(0);
    expect<u64>(load<u64>(OP + 8)).toBe(4);
    begin(4);
    store<u64>(OP + 8, 3);
    store<u64>(OP + 16, BUFFER);
    refused(done(), ENOBUFS, REASON_INFO_BUFFER);
    expect<u64>(load<u64>(OP + 8)).toBe(4);
    begin(4);
    store<u64>(OP + 8, 4);
    store<u64>(OP + 16, BUFFER);
    expect<i32>(done()).toBe(0);
    expect<u32>(load<u32>(guest_off(BUFFER))).toBe(0x05dd92);
    begin(4);
    store<u64>(OP + 8, 4);
    store<u64>(OP + 16, RAM_END - 3);
    refused(done(), EFAULT, REASON_ARG_FAULT);
    header().build_id_len = 0;
    begin(4);
    refused(done(), ENODATA, REASON_NO_BUILD_ID);
  });

  it("R90: an unknown sub-operation", () => {
    begin(5);
    refused(done(), ENOSYS, REASON_UNKNOWN_OP);
    begin(0xffffffff);
    refused(done(), ENOSYS, REASON_UNKNOWN_OP);
  });

  it("R80, R81: the table domain x operation", () => {
    for (let op: u32 = 0; op < 5; op++) {
      begin(op);
      refused(done(1), EPERM, REASON_NOT_PRIVILEGED);
    }
    for (let mask: u32 = 0; mask < 32; mask++) {
      set_policy(1, mask);
      for (let op: u32 = 0; op < 5; op++) {
        begin(op);
        const rc = done(1);
        const denied = rc == -13 && refusal().reason == REASON_XSM_DENIED;
        expect<bool>(denied).toBe(((mask >> op) & 1) == 0);
      }
    }
  });
});
