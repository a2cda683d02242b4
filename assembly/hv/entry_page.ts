// The machine's own entries (images/entries/): a page of code for images that were not made for
// this machine, and two pages that the code writes. It lies among the machine's own addresses,
// where no image and no payload may be, and its code belongs to what a failed operation leaves
// unchanged. The image's hypercalls are found here, at boot, and told to the code as its
// parameters.

import {
  ENOENT,
  ENOMEM,
  ENTRY_SYMBOL_LENGTH,
  ENTRY_SYMBOL_NAME,
  ENTRY_SYMBOL_OFFSET,
} from "../abi";
import { PERM_R, PERM_W, PERM_X, ENTRIES_MACHINE } from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import {
  ENTRY_APIC_TIMER_INTERRUPT,
  ENTRY_CALL_FUNCTION_INTERRUPT,
  ENTRY_CODE,
  ENTRY_CODE_SIZE,
  ENTRY_EVENT_CHECK_INTERRUPT,
  ENTRY_HYPERCALL_SLOTS,
  ENTRY_HYPERCALL_TABLE,
  ENTRY_IDLE_LOOP,
  ENTRY_LSTAR_ENTER,
  ENTRY_NAMES,
  ENTRY_NMI,
  ENTRY_NR_CPUS,
  ENTRY_ONLINE,
  ENTRY_OWN_TABLE,
  ENTRY_PV_HYPERCALL,
  ENTRY_SHARED,
  ENTRY_STARTS,
  ENTRY_STAT,
  ENTRY_TEST_ALL_EVENTS,
} from "./entry_code";
import { alloc_frames, OWNER_CURRENT, OWNER_IMAGE } from "./frames";
import { header } from "./header";
import { dispatcher_va, hypercall_va, table_slots, table_va } from "./hypercall_table";
import { ENTRIES_VA } from "./layout";
import { peek_off } from "./mem";
import { map_pages } from "./pages";
import { NR_CPUS } from "./param";
import { refuse } from "./refusal";

/** Numbers that the code's own table has room for. */
const OWN_SLOTS: u64 = 64;
/** Bytes of `stat` for one CPU. */
const STAT_SIZE: usize = 16;
const DATA_PAGES: u32 = 2;
if (ENTRY_STAT != ENTRY_SHARED + 0x1000) ERROR("stat is the second page of data");
if (ENTRY_OWN_TABLE + 8 * OWN_SLOTS > ENTRY_SHARED) ERROR("the parameters outgrow the code's page");
if (<u64>NR_CPUS * STAT_SIZE > 0x1000) ERROR("stat outgrows its page");

function set_parameters(page: usize): void {
  store<u64>(page + <usize>ENTRY_NR_CPUS, header().nr_cpus);
  store<u64>(page + <usize>ENTRY_PV_HYPERCALL, dispatcher_va());
  const table = table_va();
  if (table != 0) {
    store<u64>(page + <usize>ENTRY_HYPERCALL_TABLE, table);
    store<u64>(page + <usize>ENTRY_HYPERCALL_SLOTS, table_slots());
    return;
  }
  store<u64>(page + <usize>ENTRY_HYPERCALL_TABLE, ENTRIES_VA + ENTRY_OWN_TABLE);
  store<u64>(page + <usize>ENTRY_HYPERCALL_SLOTS, OWN_SLOTS);
  for (let nr: u64 = 0; nr < OWN_SLOTS; nr++) {
    store<u64>(page + <usize>(ENTRY_OWN_TABLE + 8 * nr), hypercall_va(nr));
  }
}

/** Maps the pages and makes them the machine's entries. */
export function boot_entry_page(): i32 {
  const h = header();
  const root = <usize>h.hv_root;
  const code = alloc_frames(1, OWNER_IMAGE);
  const data = alloc_frames(DATA_PAGES, OWNER_CURRENT);
  if (code == 0 || data == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  memory.copy(code, ENTRY_CODE, ENTRY_CODE_SIZE);
  set_parameters(code);
  const mapped =
    map_pages(root, ENTRIES_VA, code, 1, PERM_R | PERM_X) &&
    map_pages(root, ENTRIES_VA + ENTRY_SHARED, data, DATA_PAGES, PERM_R | PERM_W);
  if (!mapped) return refuse(ENOMEM, REASON_NO_MEMORY);
  h.entries = ENTRIES_MACHINE;
  h.lstar_enter_va = ENTRIES_VA + ENTRY_LSTAR_ENTER;
  h.event_check_va = ENTRIES_VA + ENTRY_EVENT_CHECK_INTERRUPT;
  h.call_function_va = ENTRIES_VA + ENTRY_CALL_FUNCTION_INTERRUPT;
  h.timer_va = ENTRIES_VA + ENTRY_APIC_TIMER_INTERRUPT;
  h.nmi_va = ENTRIES_VA + ENTRY_NMI;
  h.idle_loop_va = ENTRIES_VA + ENTRY_IDLE_LOOP;
  h.test_all_events_va = ENTRIES_VA + ENTRY_TEST_ALL_EVENTS;
  h.online_map_va = ENTRIES_VA + ENTRY_ONLINE;
  return 0;
}

/** First byte of the code, 0 when the machine's entries are the image's. */
export function entry_code_va(): u64 {
  return header().entries == ENTRIES_MACHINE ? ENTRIES_VA : 0;
}

export function entry_code_end_va(): u64 {
  return header().entries == ENTRIES_MACHINE ? ENTRIES_VA + <u64>ENTRY_CODE_SIZE : 0;
}

/** Linear offset of what the code writes, 0 when it is not there. */
export function entry_data_off(): usize {
  return entry_code_va() == 0 ? 0 : peek_off(ENTRIES_VA + ENTRY_SHARED);
}

/** ... and its size, up to the last CPU's part. */
export function entry_data_size(): usize {
  return <usize>(ENTRY_STAT - ENTRY_SHARED) + STAT_SIZE * <usize>header().nr_cpus;
}

/** The piece of the code that `va` lies in, -1 when it is not in it. */
export function entry_piece_at(va: u64): i32 {
  if (entry_code_va() == 0 || va - ENTRIES_VA >= <u64>ENTRY_CODE_SIZE) return -1;
  const offset = <u32>(va - ENTRIES_VA);
  let i = ENTRY_STARTS.length - 1;
  while (unchecked(ENTRY_STARTS[i]) > offset) i--;
  return i;
}


@inline
export function entry_piece_va(i: i32): u64 {
  return ENTRIES_VA + <u64>unchecked(ENTRY_STARTS[i]);
}

export function entry_piece_size(i: i32): u64 {
  const next = i + 1 < ENTRY_STARTS.length ? unchecked(ENTRY_STARTS[i + 1]) : ENTRY_CODE_SIZE;
  return <u64>(next - unchecked(ENTRY_STARTS[i]));
}

/** ENTRY_SYMBOL_* of the piece of code that `va` lies in; -ENOENT when it is not in it. */
export function write_entry_symbol(to: usize, va: u64): i32 {
  const i = entry_piece_at(va);
  if (i < 0) return -ENOENT;
  const offset = <u32>(va - ENTRIES_VA);
  const name = unchecked(ENTRY_NAMES[i]);
  store<u32>(to + ENTRY_SYMBOL_OFFSET, offset - unchecked(ENTRY_STARTS[i]));
  store<u32>(to + ENTRY_SYMBOL_LENGTH, name.length);
  for (let c = 0; c < name.length; c++) {
    store<u8>(to + ENTRY_SYMBOL_NAME + <usize>c, <u8>name.charCodeAt(c));
  }
  return 0;
}
