// The ways in: where a guest's syscall, an interrupt, an NMI and an idle CPU begin. An image
// that was made for this machine says so with a note and has them all by name (images/mini-
// xen/README.md, "Contract"). Names alone tell nothing: Xen calls its entries the same, and they
// need descriptor tables, a scheduler and vcpus that only booting makes. For any other image
// whose guests shall run the machine brings its own (hv/entry_page.ts).

import { EOPNOTSUPP, OPTION_ENTRIES_IMAGE, OPTION_ENTRIES_MACHINE, WORKLOAD_NONE } from "../abi";
import { REASON_ENTRY_MISSING } from "../reasons";
import { boot_entry_page } from "./entry_page";
import { header } from "./header";
import { known_symbol } from "./image";
import { ImageFile } from "./image_file";
import { desc_off, find_note } from "./notes";
import { refusal_name, refuse } from "./refusal";
import { ascii } from "./text";

/** Xen's vectors. */
export const VECTOR_EVENT_CHECK: u32 = 0xfc;
export const VECTOR_CALL_FUNCTION: u32 = 0xfb;
export const VECTOR_TIMER: u32 = 0xfa;

/** The contract's note: its type, and the version that this machine keeps. */
const NT_ENTRIES: u32 = 1;
const CONTRACT_VERSION: u32 = 1;

function follows_contract(f: ImageFile): bool {
  const forced = header().options & (OPTION_ENTRIES_IMAGE | OPTION_ENTRIES_MACHINE);
  if (forced != 0) return forced == OPTION_ENTRIES_IMAGE;
  return find_note(f, "xsplice", NT_ENTRIES, 4) && load<u32>(desc_off) == CONTRACT_VERSION;
}

function take_image_entries(): void {
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

/** -EOPNOTSUPP with the name of an entry that guests need and the image has not. */
function check_entries(): i32 {
  const name = missing_entry();
  if (name.length == 0) return 0;
  const rc = refuse(EOPNOTSUPP, REASON_ENTRY_MISSING);
  refusal_name(ascii(name), <usize>name.length);
  return rc;
}

/** Settles whose entries the machine has. Without guests an image may lack any. */
export function boot_entries(f: ImageFile): i32 {
  const guests = header().workload != WORKLOAD_NONE;
  if (follows_contract(f)) {
    take_image_entries();
    return guests ? check_entries() : 0;
  }
  return guests ? boot_entry_page() : 0;
}

/** Where interrupt `vector` is served, 0 when nobody does. */
export function entry_of_vector(vector: u32): u64 {
  if (vector == VECTOR_EVENT_CHECK) return header().event_check_va;
  if (vector == VECTOR_CALL_FUNCTION) return header().call_function_va;
  return vector == VECTOR_TIMER ? header().timer_va : 0;
}
