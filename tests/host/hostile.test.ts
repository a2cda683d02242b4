// Hostile input at the library's border: guest pointers at every edge of guest memory, sizes, ids,
// broken payloads and images. Each gets its errno and reason, and nothing changes (R225, A14).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as abi from "../../host/abi.js";
import {
  createMachine,
  encodeId,
  type Machine,
  marshal,
  XenControl,
  XenError,
} from "../../host/index.js";
import { inRoot } from "../support/root.js";

const PAYLOAD = readFileSync(inRoot("images/payloads/xsa125.xsplice"));
const IMAGE = readFileSync(inRoot("images/mini-xen/mini-xen"));
const RAM = BigInt(abi.GUEST_RAM_START);
const END = RAM + BigInt(abi.DOM0_RAM_BYTES);
const FIX = encodeId("fix") as Uint8Array;

/** Addresses at which `size` bytes do not lie wholly in the memory of domain 0. */
function badPointers(size: bigint): bigint[] {
  return [
    0n,
    1n,
    RAM - size,
    RAM - 1n,
    END - size + 1n,
    END - 1n,
    END,
    0x7fff_ffff_ffffn,
    0x8000_0000_0000n,
    0xffff_7fff_ffff_ffffn,
    0xffff_8000_0000_0000n,
    0xffff_82d0_8011_2f9en, // the hypervisor's own text
    0xffff_82d0_8025_1000n, // and its data
    0xffff_8300_0000_8000n, // a stack
    0xffff_ffff_ffff_ffffn,
    0xffff_ffff_ffff_ffffn - size + 1n,
    0xffff_ffff_ffff_ffffn - size + 2n,
  ];
}

/** What a machine looked like, to be compared with later. */
function witness(machine: Machine): () => void {
  const hash = machine.stateHash();
  const { framesUsed, payloads, payloadVersion } = machine.info();
  const now = (): unknown => {
    const info = machine.info();
    return [machine.stateHash(), info.framesUsed, info.payloads, info.payloadVersion];
  };
  return () => assert.deepEqual(now(), [hash, framesUsed, payloads, payloadVersion]);
}

/** Makes the sysctl with struct xen_sysctl at `at`, where it is put if there is memory. */
function issue(machine: Machine, wire: Uint8Array, at = RAM + 0x1000n): number {
  machine.write(at, wire, { domain: 0 });
  const { stop, rax } = machine.hypercall(abi.HYPERVISOR_SYSCTL, [at]);
  assert.equal(stop, "return");
  return Number(BigInt.asIntN(64, rax));
}

function reasonOf(machine: Machine): string {
  const refusal = machine.lastRefusal();
  return refusal ? abi.reasonName(refusal.reason) : "none";
}

async function refused(work: Promise<unknown>): Promise<XenError> {
  return work.then(
    () => assert.fail("was accepted"),
    (error) => {
      assert.ok(error instanceof XenError, String(error));
      return error;
    },
  );
}

describe("guest pointers at every edge", () => {
  test("struct xen_sysctl itself", async () => {
    const machine = await createMachine();
    const same = witness(machine);
    for (const va of badPointers(BigInt(abi.SYSCTL_SIZE))) {
      const { stop, rax } = machine.hypercall(abi.HYPERVISOR_SYSCTL, [va]);
      assert.deepEqual([stop, BigInt.asIntN(64, rax)], ["return", -14n], va.toString(16));
      assert.equal(reasonOf(machine), "arg-fault");
      same();
    }
    for (const at of [RAM, END - BigInt(abi.SYSCTL_SIZE), RAM + 4096n - 68n]) {
      const wire = marshal({ op: "list", version: 0, idx: 0, nr: 0, summary: 0n });
      assert.equal(issue(machine, wire, at), 0, "the first, the last and a page boundary work");
    }
  });

  test("the payload of UPLOAD", async () => {
    const machine = await createMachine();
    const same = witness(machine);
    const size = BigInt(PAYLOAD.length);
    for (const payload of badPointers(size)) {
      const rc = issue(machine, marshal({ op: "upload", id: FIX, size, payload }));
      assert.deepEqual([rc, reasonOf(machine)], [-14, "arg-fault"], payload.toString(16));
      same();
    }
    const at = END - size;
    machine.write(at, PAYLOAD, { domain: 0 });
    assert.equal(issue(machine, marshal({ op: "upload", id: FIX, size, payload: at })), 0);
  });

  test("the buffer of LIST", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    await xc.upload("fix", PAYLOAD);
    const same = witness(machine);
    const text = machine.read("do_xen_version", 64);
    for (const summary of badPointers(BigInt(abi.XSPLICE_SUMMARY_SIZE))) {
      const rc = issue(machine, marshal({ op: "list", version: 0, idx: 0, nr: 1, summary }));
      const expected = summary === 0n ? [-22, "list-handle"] : [-14, "arg-fault"];
      assert.deepEqual([rc, reasonOf(machine)], expected, summary.toString(16));
      same();
    }
    assert.deepEqual(machine.read("do_xen_version", 64), text, "the hypervisor is no buffer");
  });

  test("the buffer of INFO", async () => {
    const machine = await createMachine();
    const same = witness(machine);
    for (const buffer of badPointers(20n).filter((va) => va !== 0n)) {
      const rc = issue(machine, marshal({ op: "info", len: 20n, buffer }));
      assert.deepEqual([rc, reasonOf(machine)], [-14, "arg-fault"], buffer.toString(16));
      same();
    }
    assert.equal(issue(machine, marshal({ op: "info", len: 19n, buffer: RAM + 64n })), -105);
    assert.equal(reasonOf(machine), "info-buffer");
  });
});

describe("fields of the sysctl", () => {
  test("versions, operations and sub-operations that do not exist", async () => {
    const machine = await createMachine();
    const same = witness(machine);
    const wire = marshal({ op: "get", id: FIX, status: 0 });
    const cases: [number, number, number, string][] = [
      [abi.SYSCTL_VERSION, 11, -13, "abi-version"],
      [abi.SYSCTL_VERSION, 0, -13, "abi-version"],
      [abi.SYSCTL_CMD, 26, -38, "unknown-op"],
      [abi.SYSCTL_CMD, 0xffffffff, -38, "unknown-op"],
      [abi.SYSCTL_U, 5, -38, "unknown-op"],
      [abi.SYSCTL_U, 0xffffffff, -38, "unknown-op"],
    ];
    for (const [offset, value, rc, reason] of cases) {
      const changed = wire.slice();
      new DataView(changed.buffer).setUint32(offset, value, true);
      assert.deepEqual([issue(machine, changed), reasonOf(machine)], [rc, reason]);
      same();
    }
  });

  test("sizes 0, one over the limit, and the largest (R97, K37)", async () => {
    const machine = await createMachine();
    const same = witness(machine);
    const sizes: [bigint, number, string][] = [
      [0n, -22, "size-zero"],
      [BigInt(abi.XSPLICE_PAYLOAD_MAX) + 1n, -22, "size-limit"],
      [(1n << 64n) - 1n, -22, "size-limit"],
      [1n << 63n, -22, "size-limit"],
    ];
    for (const [size, rc, reason] of sizes) {
      const wire = marshal({ op: "upload", id: FIX, size, payload: RAM });
      assert.deepEqual([issue(machine, wire), reasonOf(machine)], [rc, reason], `${size}`);
      same();
    }
    const xc = new XenControl(machine);
    assert.equal((await refused(xc.upload("fix", new Uint8Array()))).reason, "size-zero");
    const long = new Uint8Array(abi.XSPLICE_PAYLOAD_MAX + 1);
    assert.equal((await refused(xc.upload("fix", long))).reason, "size-limit");
    const largest = await refused(xc.upload("fix", long.subarray(1)));
    assert.equal(largest.reason, "elf-magic", "the largest size is read");
    same();
  });

  test("ids of 0, 40 and 41 characters, and bytes behind the end", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const same = witness(machine);
    for (const work of [xc.upload("", PAYLOAD), xc.check(""), xc.unload("")]) {
      const { errno, reason } = await refused(work);
      assert.deepEqual([errno, reason], ["EINVAL", "id-empty"]);
    }
    assert.equal((await refused(xc.upload("x".repeat(41), PAYLOAD))).reason, "id-noncanonical");
    same();
    await xc.upload("x".repeat(40), PAYLOAD);
    assert.equal((await xc.get("x".repeat(40))).status, 1);
    assert.equal((await refused(xc.get("x".repeat(39)))).reason, "no-such-id");
  });

  test("random structures never do anything but answer", async () => {
    const machine = await createMachine();
    const bytes = fc.uint8Array({ minLength: 136, maxLength: 136 });
    const property = fc.property(bytes, fc.nat(5), (wire, sub) => {
      const view = new DataView(wire.buffer);
      view.setUint32(abi.SYSCTL_CMD, abi.XEN_SYSCTL_XSPLICE_OP, true);
      view.setUint32(abi.SYSCTL_VERSION, abi.XEN_SYSCTL_INTERFACE_VERSION, true);
      view.setUint32(abi.SYSCTL_U, sub, true);
      const same = witness(machine);
      assert.ok(issue(machine, wire) <= 0);
      same();
    });
    fc.assert(property, { numRuns: 300 });
  });
});

/** A copy with a number written at an offset. */
function patched(
  file: Uint8Array,
  offset: number,
  bytes: 1 | 2 | 4 | 8,
  value: bigint,
): Uint8Array {
  const copy = new Uint8Array(file);
  const view = new DataView(copy.buffer);
  if (bytes === 1) view.setUint8(offset, Number(value));
  if (bytes === 2) view.setUint16(offset, Number(value), true);
  if (bytes === 4) view.setUint32(offset, Number(value), true);
  if (bytes === 8) view.setBigUint64(offset, value, true);
  return copy;
}

/** Wrong headers, by offset in Elf64_Ehdr: what, and the reasons that may be given. */
function headerCases(file: Uint8Array): [string, Uint8Array, RegExp][] {
  const wrap = 0xffff_ffff_ffff_fff0n;
  return [
    ["no magic", patched(file, 0, 1, 0n), /^elf-magic$/],
    ["32-bit class", patched(file, 4, 1, 1n), /^elf-unsupported-class$/],
    ["big endian", patched(file, 5, 1, 2n), /^elf-unsupported-class$/],
    ["ELF version", patched(file, 6, 1, 9n), /^elf-unsupported-version$/],
    ["machine 386", patched(file, 18, 2, 3n), /^elf-unsupported-machine$/],
    ["type core", patched(file, 16, 2, 4n), /^elf-unsupported-type$/],
    ["e_shoff wraps", patched(file, 40, 8, wrap), /^elf-(section-table|truncated|header)$/],
    ["e_shoff at the end", patched(file, 40, 8, BigInt(file.length)), /^elf-(section-|trunc)/],
    ["e_shentsize 1", patched(file, 58, 2, 1n), /^elf-(section-table|header)$/],
    ["e_shnum 65535", patched(file, 60, 2, 0xffffn), /^elf-(section-table|truncated|header)$/],
    ["e_shstrndx 65000", patched(file, 62, 2, 65000n), /^elf-/],
    ["e_ehsize 1", patched(file, 52, 2, 1n), /^elf-header$/],
  ];
}

describe("payloads", () => {
  test("wrong headers, one field each", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const same = witness(machine);
    for (const [what, file, reason] of headerCases(PAYLOAD)) {
      const error = await refused(xc.upload("fix", file));
      assert.match(error.reason, reason, what);
      assert.match(error.errno, /^(EINVAL|EOPNOTSUPP)$/, what);
      assert.ok(error.message.length > 20 && error.hint.length > 10, what);
      same();
    }
    const executable = await refused(xc.upload("fix", IMAGE));
    assert.equal(executable.reason, "elf-unsupported-type");
    same();
    await xc.upload("fix", PAYLOAD);
  });

  test("cut short at any length", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const same = witness(machine);
    for (let length = 1; length < PAYLOAD.length; length += length < 128 ? 1 : 61) {
      const error = await refused(xc.upload("fix", PAYLOAD.subarray(0, length)));
      assert.match(error.reason, /^(elf-|sig-|root-)/, `${length} bytes: ${error.message}`);
      same();
    }
    assert.match(machine.errorOf(machine.refusalOf("fix") as never).reason, /^elf-/, "explained");
  });

  test("random bytes, and random changes of a good file", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const change = fc.tuple(fc.nat(PAYLOAD.length - 1), fc.nat(255));
    const good = fc.array(change, { minLength: 1, maxLength: 8 }).map((changes) => {
      const copy = new Uint8Array(PAYLOAD);
      for (const [at, byte] of changes) copy[at] = byte;
      return copy;
    });
    const file = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 2000 }), good);
    const property = fc.asyncProperty(file, async (bytes) => {
      const same = witness(machine);
      const outcome = await xc.upload("fuzz", bytes).catch((error) => error);
      if (outcome === undefined) {
        await xc.checkAndWait("fuzz").catch((error) => assert.ok(error instanceof XenError));
        await xc.unload("fuzz");
        assert.equal(machine.info().payloads, 0);
        return;
      }
      assert.ok(outcome instanceof XenError, String(outcome));
      assert.notEqual(outcome.reason, "none", outcome.message);
      same();
    });
    await fc.assert(property, { numRuns: 400 });
  });

  test("a payload for another build is refused at CHECK (K6)", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const id = Buffer.from("92dd05a61556c554155b1508c9cf67d993336d28");
    const other = new Uint8Array(PAYLOAD);
    const text = Buffer.from(PAYLOAD).indexOf(id);
    const raw = Buffer.from(PAYLOAD).indexOf(Buffer.from(id.toString(), "hex"));
    const at = text >= 0 ? text : raw;
    assert.ok(at > 0, "its build-id");
    other[at] = other[at] === 0x31 ? 0x32 : 0x31;
    await xc.upload("fix", other);
    const error = await refused(xc.checkAndWait("fix"));
    assert.deepEqual([error.errno, error.reason], ["EINVAL", "build-id"]);
  });
});

describe("images", () => {
  test("wrong headers, truncation, random bytes: no machine, and a reason", async () => {
    const object = headerCases(IMAGE).filter(([what]) => !/e_shstrndx|e_ehsize/.test(what));
    for (const [what, image] of object) {
      const error = await refused(createMachine({ image }));
      assert.match(error.reason, /^(image|elf-)/, `${what}: ${error.message}`);
      assert.match(error.errno, /^(EINVAL|EOPNOTSUPP|ENOEXEC)$/, what);
      assert.equal(error.step, "boot", what);
    }
    assert.match((await refused(createMachine({ image: PAYLOAD }))).reason, /^(image|elf-)/);
    for (const length of [0, 1, 63, 64, 200, 4096, 30_000]) {
      const error = await refused(createMachine({ image: IMAGE.subarray(0, length) }));
      assert.match(error.reason, /^(image|elf-)/, `${length} bytes`);
    }
  });

  test("a program header that points anywhere is refused, or boots: never a trap", async () => {
    const phoff = Number(new DataView(IMAGE.buffer, IMAGE.byteOffset).getBigUint64(32, true));
    const field = fc.constantFrom(0, 8, 16, 32, 40, 48);
    const value = fc.oneof(
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.constantFrom(0n, 1n, 0xffff_ffff_ffff_ffffn, 0xffff_82d0_8000_0000n, 0x7fff_ffff_f000n),
    );
    const property = fc.asyncProperty(fc.nat(3), field, value, async (index, offset, number) => {
      const image = patched(IMAGE, phoff + index * 56 + offset, 8, number);
      const outcome = await createMachine({ image }).catch((error) => error);
      if (outcome instanceof XenError) assert.match(outcome.reason, /^(image|elf-|no-memory)/);
      else assert.equal(typeof outcome.info().cpus, "number", String(outcome));
    });
    await fc.assert(property, { numRuns: 60 });
  });
});
