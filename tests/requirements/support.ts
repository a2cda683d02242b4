// What the tests of requirements share: the raw sysctl as a guest would make it, and a
// hypervisor between the client library and a machine that can interfere with what is asked.

import assert from "node:assert/strict";
import * as abi from "../../host/abi.js";
import {
  encodeId,
  type Hypervisor,
  type Machine,
  marshal,
  unmarshal,
  type XspliceOp,
} from "../../host/index.js";

export const RAM = BigInt(abi.GUEST_RAM_START);

export const wireId = (id: string): Uint8Array => {
  const wire = encodeId(id);
  assert.ok(wire, `${id} is too long`);
  return wire;
};

/** What a machine looked like, to be compared with later (A14): everything but what may differ. */
export function witness(machine: Machine): () => void {
  const look = (): unknown => {
    const { framesUsed, payloads, payloadVersion } = machine.info();
    const listed = machine.payloads().map(({ id, status }) => [id, status]);
    return [machine.stateHash(), framesUsed, payloads, payloadVersion, listed];
  };
  const before = look();
  return () => assert.deepEqual(look(), before);
}

/** Makes the sysctl with a structure in the memory of a domain; what came back with it. */
export function sysctl(machine: Machine, op: XspliceOp, domain = 0): { rc: number; op: XspliceOp } {
  const wire = marshal(op);
  const rc = machine.sysctl(wire, { domain });
  return { rc, op: unmarshal(wire) };
}

export const action = (machine: Machine, id: string, cmd: number, time = 0n): number =>
  sysctl(machine, { op: "action", id: wireId(id), cmd, time }).rc;

export const list = (machine: Machine, idx: number, nr: number, summary = RAM + 0x2000n) =>
  sysctl(machine, { op: "list", version: 0, idx, nr, summary }) as {
    rc: number;
    op: Extract<XspliceOp, { op: "list" }>;
  };

/** Reason of the last refusal. */
export function reasonOf(machine: Machine): string {
  const refusal = machine.lastRefusal();
  return refusal ? abi.reasonName(refusal.reason) : "none";
}

/** Everything is the machine's own, but `change` sees, and may alter, each operation first; it is
 *  told afterwards too. */
export function between(
  machine: Machine,
  change: (op: XspliceOp) => XspliceOp,
  after: (rc: number) => void = () => {},
): Hypervisor {
  return {
    sysctl(bytes, options) {
      bytes.set(marshal(change(unmarshal(bytes))));
      const rc = machine.sysctl(bytes, options);
      after(rc);
      return rc;
    },
    withBuffers: (work, domain) => machine.withBuffers(work, domain),
    lastRefusal: () => machine.lastRefusal(),
    refusalOf: (id) => machine.refusalOf(id),
    errorOf: (refusal) => machine.errorOf(refusal),
    run: (options) => machine.run(options),
    settled: () => machine.settled(),
  };
}

/** A little-endian number written into a copy of a file. */
export function poke(file: Uint8Array, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint) {
  const copy = new Uint8Array(file);
  const at = Buffer.from(copy.buffer);
  const unsigned = BigInt.asUintN(8 * bytes, value);
  if (bytes === 8) at.writeBigUInt64LE(unsigned, offset);
  else at.writeUIntLE(Number(unsigned), offset, bytes);
  return copy;
}

/** A payload is told from another by its bytes: this one gets a name of its own. */
export function renamed(file: Uint8Array, name: string, to: string): Uint8Array {
  const copy = Buffer.from(file);
  const at = copy.indexOf(`${name}\0`);
  assert.ok(at > 0 && to.length === name.length, name);
  copy.write(to, at, "latin1");
  return new Uint8Array(copy);
}

/** Section headers of an ELF file: name, type, flags, offset, size. */
export function sectionsOf(file: Uint8Array) {
  const elf = Buffer.from(file);
  const table = Number(elf.readBigUInt64LE(40));
  const headers = Array.from({ length: elf.readUInt16LE(60) }, (_, i) => {
    const at = table + 64 * i;
    const offset = Number(elf.readBigUInt64LE(at + 24));
    const size = Number(elf.readBigUInt64LE(at + 32));
    const type = elf.readUInt32LE(at + 4);
    const flags = elf.readBigUInt64LE(at + 8);
    return { header: at, name: elf.readUInt32LE(at), type, flags, offset, size };
  });
  const names = headers[elf.readUInt16LE(62)];
  assert.ok(names);
  return headers.map((h) => {
    const from = names.offset + h.name;
    return { ...h, name: elf.toString("latin1", from, elf.indexOf(0, from)) };
  });
}
