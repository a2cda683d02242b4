// The front panel: every export of the core, nothing else. Numbers only; records cross in the I/O
// window at hv_io_off() (abi.ts has their layouts). 0 or -errno, details in the refusal.

import { ABI_VERSION, EFAULT, EINVAL, ENOENT, PERM_R, SYMBOL_MATCHES_MAX, VECTOR_NMI } from "./abi";
import { site_count } from "./hv/alternatives";
import { audit_machine } from "./hv/audit";
import { begin_hypercall, collect_hypercall } from "./hv/begun";
import { boot_machine } from "./hv/boot";
import { call_function, claim_cpu, write_result } from "./hv/call";
import { take_port } from "./hv/console";
import { cpu_at } from "./hv/cpu";
import { check_domain, domain_at, enter_domain, is_domain } from "./hv/domain";
import { write_entry_symbol } from "./hv/entry_page";
import { used_end } from "./hv/frames";
import { header } from "./hv/header";
import { request_hotplug, drop_hotplug } from "./hv/hotplug";
import { enter_by_instruction, pend, pend_nmi, send_ipi } from "./hv/interrupt";
import { make_hypercall } from "./hv/hypercall";
import { install_code_class } from "./hv/hooks";
import { write_cpu, write_info, write_symbol } from "./hv/info";
import { handle_key, install_keyhandlers } from "./hv/keyhandler";
import { CONSOLE_OFF, IO_OFF, MACHINE_END } from "./hv/layout";
import { is_mapped, peek, poke } from "./hv/mem";
import "./hv/panic";
import { IO_SIZE } from "./hv/param";
import { clear_refusal, refusal, refuse } from "./hv/refusal";
import { restored } from "./hv/restore";
import { run_machine, run_until_unheld, write_run } from "./hv/sched";
import { check_cpu } from "./hv/smp";
import { write_frames } from "./hv/stack_frames";
import { stage, unstage } from "./hv/staging";
import { state_hash } from "./hv/state_hash";
import { find_symbols, match_at, symbol_at } from "./hv/symbols";
import { install_port_out } from "./hv/x86/port";
import { install_vectors } from "./hv/x86/system";
import { trace, trace_entry } from "./hv/x86/trace";
import { install_icr } from "./hv/x86/msr";
import { set_policy } from "./hv/xsm";
import { REASON_BAD_ADDRESS } from "./reasons";
import { audit_payloads } from "./xsplice/audit";
import { refusal_of } from "./xsplice/explain";
import { code_class } from "./xsplice/code_class";
import { set_keystore } from "./xsplice/keystore";
import { map_count, write_map, write_payload } from "./xsplice/map";
import { branch_around } from "./xsplice/midway";
import { firmware_answer } from "./xsplice/signature_request";
import {
  livepatch_refusal,
  write_function,
  write_livepatch,
  write_site,
  write_symbol_at,
} from "./xsplice/livepatch/info";
import { payloads_count } from "./xsplice/livepatch/record";
import { install_livepatch } from "./xsplice/livepatch/sysctl";
import { install_xsplice } from "./xsplice/sysctl";

export {
  hv_frames_off,
  hv_hotplug,
  hv_owners_off,
  hv_rolled_back,
  hv_schedule_hash,
  hv_skip,
  hv_step,
  hv_step_visible,
  hv_test_guards,
  hv_violation,
  hv_watch,
  hv_watched,
  hv_watched_off,
} from "./panel_schedules";

install_keyhandlers();
install_port_out(take_port);
install_xsplice();
install_icr(send_ipi);
install_vectors(enter_by_instruction);
install_livepatch();
install_code_class(code_class);

/** Instructions in which every CPU must come by for one to go or to come. */
const HOTPLUG_BUDGET: u64 = 50000000;

// --- the machine --------------------------------------------------------------------------------

export function hv_abi_version(): u32 {
  return ABI_VERSION;
}
/** A snapshot is linear memory below this. */
export function hv_machine_end(): u32 {
  return <u32>MACHINE_END;
}
/** Everything from here to the machine's end is zero: a snapshot need not look at it. */
export function hv_used_end(): u32 {
  return <u32>used_end();
}
export function hv_io_off(): u32 {
  return <u32>IO_OFF;
}
/** Zeroed room for `bytes`, 0 when there is none; one at a time, the former is given back. */
export function hv_stage(bytes: u32): u32 {
  return <u32>stage(bytes);
}
export function hv_unstage(): void {
  unstage();
}
/** BOOT_* in I/O; the image in staging. */
export function hv_boot(image_off: u32, image_len: u32): i32 {
  return boot_machine(<usize>image_off, image_len, IO_OFF);
}
/** The host has overwritten [0, hv_machine_end()): drops everything derived from what was there. */
export function hv_restored(): i32 {
  return restored();
}
/** The same for a machine that comes from a file: 0, or -EBADMSG with the part of it (PART_*) that
 *  no machine can have. */
export function hv_audit(): i32 {
  clear_refusal();
  if (audit_machine() && audit_payloads()) return 0;
  return -refusal().errno;
}
export function hv_state_hash(): u64 {
  return state_hash();
}
/** INFO_* in I/O. */
export function hv_info(): i32 {
  write_info(IO_OFF);
  return 0;
}

// --- running ------------------------------------------------------------------------------------

/** Arguments as u64 in I/O; RESULT_* in I/O afterwards. On behalf of `domain`, whose memory and
 *  vcpu are current then; -1 nobody. */
export function hv_call(cpu: u32, va: u64, nargs: u32, budget: u64, domain: i32): i32 {
  clear_refusal();
  let rc = check_cpu(cpu);
  if (rc == 0 && domain >= 0) rc = check_domain(domain);
  if (rc != 0) return rc;
  const on = claim_cpu(<i32>cpu);
  if (on == null) return -refusal().errno;
  call_function(on, va, IO_OFF, nargs, budget, domain);
  write_result(IO_OFF, on);
  return 0;
}

/** A hypercall of a domain, on a CPU (-1: any). Arguments and result as in hv_call. */
export function hv_hypercall(domain: i32, cpu: i32, nr: u64, nargs: u32, budget: u64): i32 {
  clear_refusal();
  let rc = check_domain(domain);
  if (rc == 0 && cpu >= 0) rc = check_cpu(<u32>cpu);
  if (rc != 0) return rc;
  const on = claim_cpu(cpu);
  if (on == null) return -refusal().errno;
  rc = make_hypercall(on, domain, nr, IO_OFF, nargs, budget);
  if (rc == 0) write_result(IO_OFF, on);
  return rc;
}

/** Begins a hypercall of a domain on a CPU that is free for it now, and does not wait. Arguments as
 *  in hv_call. */
export function hv_begin(domain: i32, cpu: u32, nr: u64, nargs: u32): i32 {
  clear_refusal();
  let rc = check_domain(domain);
  if (rc == 0) rc = check_cpu(cpu);
  return rc != 0 ? rc : begin_hypercall(cpu_at(cpu), domain, nr, IO_OFF, nargs);
}
/** 1 and RESULT_* in I/O, once, when the hypercall that was begun on a CPU has ended; 0 while it is
 *  under way; -ENOENT when none was begun. */
export function hv_collect(cpu: u32): i32 {
  if (cpu >= header().nr_cpus) return -ENOENT;
  return collect_hypercall(IO_OFF, cpu_at(cpu));
}

/** Lets the machine run; both 0: until nothing is pending. RUN_* in I/O. */
export function hv_run(instructions: u64, ns: u64): i32 {
  const retired = header().retired;
  const time_ns = header().time_ns;
  write_run(IO_OFF, run_machine(instructions, ns), retired, time_ns);
  return 0;
}

/** Takes a CPU away or brings it back (R222): 0, or a refusal when the others did not stand still
 *  in time. */
export function hv_cpu_online(cpu: u32, online: u32): i32 {
  clear_refusal();
  const rc = request_hotplug(cpu, online != 0);
  if (rc <= 0) return rc;
  return run_until_unheld(HOTPLUG_BUDGET) ? 0 : drop_hotplug(cpu);
}
/** Requests an interrupt of a CPU (vector 2: an NMI). -ENOENT when the image serves none of it. */
export function hv_interrupt(cpu: u32, vector: u32): i32 {
  clear_refusal();
  const rc = check_cpu(cpu);
  if (rc != 0) return rc;
  const asked = vector == VECTOR_NMI ? pend_nmi(cpu_at(cpu)) : pend(cpu_at(cpu), vector);
  return asked ? 0 : -ENOENT;
}

/** CPU_INFO_* in I/O. */
export function hv_cpu_get(cpu: u32): i32 {
  clear_refusal();
  if (cpu >= header().nr_cpus) return check_cpu(cpu);
  write_cpu(IO_OFF, cpu_at(cpu));
  return 0;
}

/** FRAME_* of a CPU's stack in I/O, innermost first; `frames` 0: every word that points into code
 *  instead of what is proved. Returns how many. */
export function hv_frames(cpu: u32, frames: u32): i32 {
  clear_refusal();
  if (cpu >= header().nr_cpus) return check_cpu(cpu);
  enter_domain(-1, false);
  return <i32>write_frames(IO_OFF, cpu_at(cpu), frames != 0);
}

/** 0, or -ENOENT when the key has no handler. */
export function hv_key(key: u32): i32 {
  return handle_key(key) ? 0 : -ENOENT;
}
export function hv_console_off(): u32 {
  return <u32>CONSOLE_OFF;
}
/** Bytes ever written; byte n lies at n modulo the ring's size. */
export function hv_console_head(): u64 {
  return header().console_head;
}

// --- memory -------------------------------------------------------------------------------------

/** Domain -1: the hypervisor's half alone. */
function check_access(domain: i32, len: u32): i32 {
  clear_refusal();
  if (domain != -1) {
    const rc = check_domain(domain);
    if (rc != 0) return rc;
  }
  if (len > IO_SIZE) return refuse(EINVAL, REASON_BAD_ADDRESS);
  enter_domain(domain, false);
  return 0;
}

function bad_address(va: u64, len: u32, missing: u64): i32 {
  if (missing == 0) return 0;
  const rc = refuse(EFAULT, REASON_BAD_ADDRESS);
  refusal().va = va + (len - missing);
  return rc;
}

/** `len` bytes at `va` to I/O, whatever the permissions. */
export function hv_read(domain: i32, va: u64, len: u32): i32 {
  const rc = check_access(domain, len);
  return rc != 0 ? rc : bad_address(va, len, peek(IO_OFF, va, len));
}
/** `len` bytes from I/O to `va`, all or none. */
export function hv_write(domain: i32, va: u64, len: u32): i32 {
  const rc = check_access(domain, len);
  if (rc != 0) return rc;
  if (len != 0 && !is_mapped(va, len, PERM_R)) return bad_address(va, len, len);
  return bad_address(va, len, poke(va, IO_OFF, len));
}

/** Linear offset of a domain's RAM, 0 when there is no such domain. */
export function hv_domain_ram(domain: i32): u32 {
  return is_domain(domain) ? <u32>domain_at(domain).ram_off : 0;
}

// --- symbols ------------------------------------------------------------------------------------

export function hv_symbol_count(): u32 {
  return header().symbols_count;
}
/** The name (`len` bytes) in I/O. Returns how many symbols it has; their indices, u32, in I/O. */
export function hv_symbol_lookup(len: u32): u32 {
  if (len > IO_SIZE) return 0;
  const count = find_symbols(IO_OFF, <usize>len);
  for (let i: u32 = 0; i < min<u32>(count, SYMBOL_MATCHES_MAX); i++) {
    store<u32>(IO_OFF + ((<usize>i) << 2), match_at(i));
  }
  return count;
}
/** Index of the symbol that `va` belongs to, -1. */
export function hv_symbol_at(va: u64): i32 {
  return symbol_at(va);
}
/** SYMBOL_* in I/O. */
export function hv_symbol_info(index: u32): i32 {
  return write_symbol(IO_OFF, index);
}

/** ENTRY_SYMBOL_* of code of the machine's own entries in I/O; -ENOENT when `va` is none of it. */
export function hv_entry_symbol(va: u64): i32 {
  return write_entry_symbol(IO_OFF, va);
}

// --- policy and refusals ------------------------------------------------------------------------

export function hv_policy(domain: i32, mask: u32): i32 {
  clear_refusal();
  const rc = check_domain(domain);
  if (rc == 0) set_policy(domain, mask);
  return rc;
}
/** The refusal of the last operation. */
export function hv_refusal(): u32 {
  return <u32>changetype<usize>(refusal());
}
/** The last refusal of the payload id (40 bytes) in I/O, 0 when there is none. */
export function hv_refusal_of(): u32 {
  return <u32>refusal_of(IO_OFF);
}

// --- live patching ------------------------------------------------------------------------------

/** Places that are patched now. */
export function hv_map_count(): u32 {
  return map_count();
}
/** MAP_* in I/O. */
export function hv_map_get(index: u32): i32 {
  return write_map(IO_OFF, index) ? 0 : -ENOENT;
}
export function hv_payload_count(): u32 {
  return header().payload_count;
}
/** PAYLOAD_INFO_* in I/O. */
export function hv_payload_get(index: u32): i32 {
  return write_payload(IO_OFF, index) ? 0 : -ENOENT;
}
/** Certificates, each {u32 length, DER bytes}, `len` bytes of them in staging. */
export function hv_keystore(len: u32): i32 {
  clear_refusal();
  const h = header();
  if (<u64>len > (<u64>h.staging_frames) << 12) return refuse(EINVAL, REASON_BAD_ADDRESS);
  return set_keystore(<usize>h.staging_off, len);
}
/** The answer to a request of the import `firmware`: 0 or a REASON_SIG_*. */
export function hv_firmware_answer(request: u32, verdict: u32): void {
  firmware_answer(request, verdict);
}

// --- today's live patching, and the CPU that the image was booted on ----------------------------

export function hv_livepatch_count(): u32 {
  return payloads_count();
}
/** LIVEPATCH_INFO_* in I/O. */
export function hv_livepatch_get(index: u32): i32 {
  return write_livepatch(IO_OFF, index);
}
/** LIVEPATCH_FUNC_* of a payload's function in I/O. */
export function hv_livepatch_func(index: u32, i: u32): i32 {
  return write_function(IO_OFF, index, i);
}
/** LIVEPATCH_SYMBOL_* in I/O: the payload's symbol that covers `va`; -ENOENT when there is none. */
export function hv_livepatch_symbol_at(va: u64): i32 {
  return write_symbol_at(IO_OFF, va);
}
/** The last refusal of a payload, 0 when there is none. */
export function hv_livepatch_refusal(index: u32): u32 {
  return <u32>livepatch_refusal(index);
}
/** Records of the image's own alternatives; SITE_* in I/O. */
export function hv_site_count(): u32 {
  return site_count();
}
export function hv_site_get(index: u32): i32 {
  return write_site(IO_OFF, index);
}

/** Start of the branch to `to_va` that `field_va` is a byte of, 0 when it is none. */
export function hv_branch_around(field_va: u64, to_va: u64): u64 {
  return branch_around(field_va, to_va);
}

// --- watching calls -----------------------------------------------------------------------------

/** Begins or ends to record which functions are entered; returns how many entries there are. */
export function hv_trace(on: u32): u32 {
  return trace(on != 0);
}
/** Linear offset of the entries, {u64 from, u64 to} each. */
export function hv_trace_off(): u32 {
  return <u32>trace_entry(0);
}
