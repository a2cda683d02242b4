// Registers of the descriptor tables (Intel SDM vol. 3, 2.4; vol. 2: LGDT, LIDT, LLDT, LTR, SGDT,
// SIDT, SLDT, STR). GDTR and LDTR are where selectors are looked up. IDTR and TR are only held:
// interrupts are delivered by the machine, through the image's entries and on Xen's stacks.

import { VECTOR_GP, VECTOR_NP } from "../../abi";
import { Cpu } from "../cpu";
import { BOUNCE_OFF, commit_split, is_canonical, read_off, write_off } from "../mem";
import {
  bad_selector,
  BEYOND,
  is_null,
  is_present,
  is_segment,
  limit,
  look_up_system,
  set_busy,
  type,
  TYPE_LDT,
  TYPE_TSS,
  UNREADABLE,
  wide_base,
  wide_type,
} from "./descriptor";
import { Insn, INSN_MEM } from "./insn";
import { Op } from "./ops";
import { address_va, rm_read, rm_write, set_rm } from "./operand";
import { DONE, FAULT, raise } from "./result";
import { CR4_UMIP, system_of } from "./state";

/** Limit and base. */
const PSEUDO_DESCRIPTOR: u32 = 10;
/** A table's indicator in a selector: the LDT. */
const TI: u32 = 4;

/** User-mode instruction prevention: what the system's registers hold is no business of ring 3. */
export function is_hidden(cpu: Cpu): bool {
  return cpu.user != 0 && (cpu.cr4 & CR4_UMIP) != 0;
}

/** SGDT SIDT LGDT LIDT. */
export function do_table(cpu: Cpu, insn: Insn): u32 {
  const system = system_of(cpu);
  const id: u32 = insn.id;
  const va = address_va(cpu, insn);
  if (id == Op.Sgdt || id == Op.Sidt) {
    if (is_hidden(cpu)) return raise(VECTOR_GP, 0);
    const off = write_off(va, PSEUDO_DESCRIPTOR);
    if (off == 0) return FAULT;
    store<u16>(off, id == Op.Sgdt ? system.gdt_limit : system.idt_limit);
    store<u64>(off, id == Op.Sgdt ? system.gdt_base : system.idt_base, 2);
    if (off == BOUNCE_OFF) commit_split();
    return DONE;
  }
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  const off = read_off(va, PSEUDO_DESCRIPTOR);
  if (off == 0) return FAULT;
  const base_va = load<u64>(off, 2);
  if (!is_canonical(base_va)) return raise(VECTOR_GP, 0);
  if (id == Op.Lgdt) {
    system.gdt_limit = load<u16>(off);
    system.gdt_base = base_va;
  } else {
    system.idt_limit = load<u16>(off);
    system.idt_base = base_va;
  }
  return DONE;
}

/** SLDT and STR. */
export function do_store_selector(cpu: Cpu, insn: Insn): u32 {
  if (is_hidden(cpu)) return raise(VECTOR_GP, 0);
  const width: u32 = insn.has(INSN_MEM) ? 1 : insn.width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const system = system_of(cpu);
  set_rm(cpu, insn, off, width, insn.id == Op.Sldt ? system.ldtr : system.tr);
  return DONE;
}

/** Reads the system descriptor of `kind` in the GDT; false with a latched fault. */
function find_system(cpu: Cpu, selector: u32, kind: u32): bool {
  if ((selector & TI) != 0) return bad_selector(VECTOR_GP, selector);
  const found = look_up_system(cpu, selector);
  if (found == UNREADABLE) return false;
  if (found == BEYOND || is_segment() || type() != kind || wide_type() != 0) {
    return bad_selector(VECTOR_GP, selector);
  }
  if (!is_present()) return bad_selector(VECTOR_NP, selector);
  return is_canonical(wide_base()) || bad_selector(VECTOR_GP, selector);
}

/** LLDT and LTR. */
export function do_load_selector(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  const selector = <u32>load<u16>(off);
  const system = system_of(cpu);
  if (insn.id == Op.Lldt) {
    if (!is_null(selector)) {
      if (!find_system(cpu, selector, TYPE_LDT)) return FAULT;
      system.ldt_base = wide_base();
      system.ldt_limit = limit();
    }
    system.ldtr = is_null(selector) ? 0 : <u16>selector;
    return DONE;
  }
  if (is_null(selector)) return raise(VECTOR_GP, 0);
  if (!find_system(cpu, selector, TYPE_TSS)) return FAULT;
  const base_va = wide_base();
  const end = limit();
  if (!set_busy(cpu, selector)) return FAULT;
  system.tr = <u16>selector;
  system.tr_base = base_va;
  system.tr_limit = end;
  return DONE;
}
