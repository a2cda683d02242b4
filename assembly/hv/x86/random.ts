// RDRAND and RDSEED (Intel SDM vol. 1, 7.3.17). Nothing here reads a source of randomness: a number
// follows from the machine's seed, the CPU and the virtual time, so that the same machine draws the
// same numbers again. It is always there (CF 1).

import { Cpu } from "../cpu";
import { header } from "../header";
import { ARITHMETIC, CF, change_flags } from "./flags";
import { Insn } from "./insn";
import { time_stamp } from "./msr";
import { Op } from "./ops";
import { set_register } from "./operand";
import { DONE } from "./result";

/** SplitMix64's finisher. */
function scramble(x: u64): u64 {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

export function do_random(cpu: Cpu, insn: Insn): u32 {
  const where = ((<u64>cpu.id) << 1) | (insn.id == Op.Rdseed ? 1 : 0);
  const stream = scramble(header().seed + 0x9e3779b97f4a7c15 * (where + 1));
  const number = scramble(stream + time_stamp());
  set_register(cpu, insn.rm, insn.width, number);
  change_flags(cpu, ARITHMETIC, CF);
  return DONE;
}
