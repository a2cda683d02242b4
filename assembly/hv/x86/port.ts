// Ports (Intel SDM vol. 1, ch. 19; vol. 2: IN, OUT, INS, OUTS). Nobody answers IN: it reads all
// ones. OUT reaches the machine byte by byte. There is no TSS whose bit map would open ports to
// ring 3: IOPL decides.

import { VECTOR_GP } from "../../abi";
import { Cpu } from "../cpu";
import { read_off, write_off } from "../mem";
import { DF, has_io_privilege } from "./flags";
import { Insn, INSN_IMM } from "./insn";
import { Op } from "./ops";
import { load_width, segment_base, set_register, store_memory } from "./operand";
import { DONE, raise } from "./result";

let port_out: ((port: u32, value: u32) => void) | null = null;

/** Who takes OUT: the console listens at port 0xe9. */
export function install_port_out(hook: (port: u32, value: u32) => void): void {
  port_out = hook;
}

const NOBODY: u64 = ~(<u64>0);

function send(port: u32, width: u32, value: u32): void {
  const hook = port_out;
  if (hook === null) return;
  for (let i: u32 = 0; i < 1 << width; i++) hook(port + i, (value >> (8 * i)) & 0xff);
}


@inline
function port_in_dx(cpu: Cpu): u32 {
  return (<u32>cpu.rdx) & 0xffff;
}

export function do_port(cpu: Cpu, insn: Insn): u32 {
  if (!has_io_privilege(cpu)) return raise(VECTOR_GP, 0);
  const width = min<u32>(insn.width, 2);
  const port = insn.has(INSN_IMM) ? <u32>insn.imm : port_in_dx(cpu);
  if (insn.id == Op.In) set_register(cpu, 0, width, NOBODY);
  else send(port, width, <u32>cpu.rax);
  return DONE;
}

/** One element of INS or OUTS; false with a latched fault and nothing done. `mask`: of the address
 *  size. */
export function port_element(cpu: Cpu, insn: Insn, mask: u64): bool {
  const width = min<u32>(insn.width, 2);
  const size: u64 = 1 << width;
  const by = (cpu.rflags & DF) != 0 ? 0 - size : size;
  if (insn.id == Op.Ins) {
    const off = write_off(cpu.rdi & mask, <u32>size);
    if (off == 0) return false;
    store_memory(off, width, NOBODY);
    cpu.rdi = (cpu.rdi + by) & mask;
    return true;
  }
  const off = read_off((cpu.rsi & mask) + segment_base(cpu, insn), <u32>size);
  if (off == 0) return false;
  send(port_in_dx(cpu), width, <u32>load_width(off, width));
  cpu.rsi = (cpu.rsi + by) & mask;
  return true;
}
