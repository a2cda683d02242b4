// One hypercall of a client program, made by dom0 in the machine: what its structures point to is
// carried into dom0's memory, the hypercall is made, and what it wrote is carried back. A pointer
// that the client cannot read becomes one that dom0 cannot read either, so that the hypervisor
// gives its own answer, in its own order.

import * as abi from "../abi.js";
import type { GuestBuffer } from "../guest.js";
import type { Machine } from "../machine.js";
import { type Pointer, sysctlPointers, VERSION_BUILD_ID, VERSION_BYTES } from "./pointers.js";

/** The memory of the program that makes the hypercall. */
export interface ClientMemory {
  /** Undefined when it cannot be read. */
  read(va: bigint, length: number): Promise<Uint8Array | undefined>;
  /** False when it cannot be written. */
  write(va: bigint, bytes: Uint8Array): Promise<boolean>;
}

/** Guest space without memory behind it. */
const NOWHERE = 0x7fff_ffff_0000n;
const FAULT = BigInt(-abi.EFAULT);
const RETRIES = 100;

/** Bytes of a pointer that go in; undefined when the client has none there. */
type Inputs = readonly (Uint8Array | undefined)[];

async function readInputs(op: DataView, pointers: readonly Pointer[], memory: ClientMemory) {
  const inputs: (Uint8Array | undefined)[] = [];
  for (const { at, in: length = 0 } of pointers) {
    const va = op.getBigUint64(at, true);
    inputs.push(va === 0n ? undefined : await memory.read(va, length));
  }
  return inputs;
}

/** Makes the sysctl with buffers of dom0's; returns the result and what the buffers hold. */
function bounce(machine: Machine, op: Uint8Array, pointers: readonly Pointer[], inputs: Inputs) {
  return machine.withBuffers((allocate) => {
    const view = new DataView(op.buffer, op.byteOffset, op.length);
    const client = pointers.map(({ at }) => view.getBigUint64(at, true));
    const buffers = pointers.map((pointer, i): GuestBuffer | undefined => {
      if (client[i] === 0n) return undefined;
      const input = inputs[i];
      const buffer = input ? allocate(pointer.room ? pointer.room : input) : undefined;
      view.setBigUint64(pointer.at, buffer?.va ?? NOWHERE, true);
      return buffer;
    });
    const result = machine.sysctl(op);
    const written = pointers.map((pointer, i) => {
      view.setBigUint64(pointer.at, client[i] ?? 0n, true);
      const size = result < 0 ? 0 : (pointer.out?.(view, result) ?? 0);
      return { va: client[i] ?? 0n, bytes: buffers[i]?.read().subarray(0, size) };
    });
    return { result, written };
  });
}

async function sysctl(machine: Machine, memory: ClientMemory, va: bigint): Promise<bigint> {
  const read = await memory.read(va, abi.SYSCTL_SIZE);
  if (!read) return FAULT;
  const op = Uint8Array.from(read);
  const pointers = sysctlPointers(new DataView(op.buffer));
  const inputs = await readInputs(new DataView(op.buffer), pointers, memory);
  let { result, written } = bounce(machine, op, pointers, inputs);
  // A signature being verified (R100): the RFC's client would have to come back, today's never
  // does.
  for (let i = 0; i < RETRIES && result === -abi.EAGAIN; i++) {
    await machine.settled();
    ({ result, written } = bounce(machine, op, pointers, inputs));
  }
  for (const { va: to, bytes } of written) {
    if (bytes && bytes.length > 0 && !(await memory.write(to, bytes))) return FAULT;
  }
  return (await memory.write(va, op)) ? BigInt(result) : FAULT;
}

async function xenVersion(
  machine: Machine,
  memory: ClientMemory,
  cmd: bigint,
  va: bigint,
): Promise<bigint> {
  let size = VERSION_BYTES.get(cmd) ?? 0;
  if (cmd === VERSION_BUILD_ID && va !== 0n) {
    const head = await memory.read(va, 4);
    if (!head) return FAULT;
    size = 4 + Math.min(Buffer.from(head).readUInt32LE(0), 4096);
  }
  if (va === 0n || size === 0) return machine.hypercall(abi.HYPERVISOR_XEN_VERSION, [cmd, va]).rax;
  const buffer = await memory.read(va, size);
  if (!buffer) return FAULT;
  const bytes = Uint8Array.from(buffer);
  const { rax } = machine.hypercall(abi.HYPERVISOR_XEN_VERSION, [cmd, bytes]);
  return (await memory.write(va, bytes)) ? rax : FAULT;
}

/** @returns what the hypercall returns, as a signed number */
export async function makeHypercall(
  machine: Machine,
  memory: ClientMemory,
  nr: bigint,
  args: readonly bigint[],
): Promise<bigint> {
  const [first = 0n, second = 0n] = args;
  switch (Number(nr)) {
    case abi.HYPERVISOR_SYSCTL:
      return sysctl(machine, memory, first);
    case abi.HYPERVISOR_XEN_VERSION:
      return BigInt.asIntN(64, await xenVersion(machine, memory, first, second));
    default:
      // Without knowing what they point to, pointers cannot be carried: plain numbers only.
      return BigInt(-abi.ENOSYS);
  }
}
