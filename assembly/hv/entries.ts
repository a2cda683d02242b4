// The image's own ways in, found by name once at boot: where a guest's syscall, an interrupt, an
// NMI and an idle CPU begin (images/mini-xen/README.md, "Contract"). A machine whose guests run
// needs all of them; without guests an image may lack any.

import { BOOT_WORKLOAD, EOPNOTSUPP } from "../abi";
import { REASON_BOOT_PARAMETER } from "../reasons";
import { header } from "./header";
import { known_symbol } from "./image";
import { refusal, refusal_name, refuse } from "./refusal";
import { ascii } from "./text";

/** Xen's vectors. */
export const VECTOR_EVENT_CHECK: u32 = 0xfc;
export const VECTOR_CALL_FUNCTION: u32 = 0xfb;
export const VECTOR_TIMER: u32 = 0xfa;

export function boot_entries(): void {
  const h = header();
  h.lstar_enter_va = known_symbol("lstar_enter");
  h.event_check_va = known_symbol("event_check_interrupt");
  h.call_function_va = known_symbol("call_function_interrupt");
  h.timer_va = known_symbol("apic_timer_interrupt");
  h.nmi_va = known_symbol("nmi");
  h.idle_loop_va = known_symbol("idle_loop");
  h.test_all_events_va = known_symbol("test_all_events");
  h.online_map_va = known_symbol("cpu_online_map");
}

/** Where interrupt `vector` is served, 0 when the image has nothing for it. */
export function entry_of_vector(vector: u32): u64 {
  if (vector == VECTOR_EVENT_CHECK) return header().event_check_va;
  if (vector == VECTOR_CALL_FUNCTION) return header().call_function_va;
  return vector == VECTOR_TIMER ? header().timer_va : 0;
}

function missing_entry(): string {
  const h = header();
  if (h.lstar_enter_va == 0) return "lstar_enter";
  if (h.test_all_events_va == 0) return "test_all_events";
  if (h.idle_loop_va == 0) return "idle_loop";
  if (h.event_check_va == 0) return "event_check_interrupt";
  if (h.call_function_va == 0) return "call_function_interrupt";
  if (h.timer_va == 0) return "apic_timer_interrupt";
  if (h.nmi_va == 0) return "nmi";
  return h.online_map_va == 0 ? "cpu_online_map" : "";
}

/** 0, or -EOPNOTSUPP with the name of an entry that guests need and the image has not. */
export function check_entries(): i32 {
  const name = missing_entry();
  if (name.length == 0) return 0;
  const rc = refuse(EOPNOTSUPP, REASON_BOOT_PARAMETER);
  refusal().index = BOOT_WORKLOAD;
  refusal_name(ascii(name), <usize>name.length);
  return rc;
}
