// The segments that a program of Linux has, for code that loads selectors.

import { type Interpreter, PERM_R, PERM_W } from "../support/interpreter.js";

/** Descriptors from selector 8 on: the kernel's own code and data, then what user code may have. */
const GDT = [
  0n,
  0x00cf9b000000ffffn,
  0x00af9b000000ffffn,
  0x00cf93000000ffffn,
  0x00cffb000000ffffn,
  0x00cff3000000ffffn,
  0x00affb000000ffffn,
];
/** Where nothing comes by chance. */
const GDT_VA = 0x5a3c_9e71_b000n;
export const USER_CS = 0x33;
export const USER_SS = 0x2b;

export function loadDescriptors(machine: Interpreter): void {
  const off = machine.map(GDT_VA, 1, PERM_R | PERM_W);
  for (const [i, descriptor] of GDT.entries()) {
    machine.view.setBigUint64(off + 8 * i, descriptor, true);
  }
  machine.exports.load_gdt(GDT_VA, 8 * GDT.length - 1);
}
