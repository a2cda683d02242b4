// Where the layers above reach into the machine: tables of function references, filled while the
// module starts and never changed afterwards. They lie in the compiler's own data, not in the
// machine: what is pending in the machine names a hook by its stable number, so that a saved
// machine runs on after the module was built anew. The numbers of each table are given out here.

/** Deferred work (hv/tasklet.ts). */
export const TASKLET_XSPLICE: u32 = 1;
export const TASKLET_LIVEPATCH: u32 = 2;
/** Work at the patch point (hv/rendezvous.ts). */
export const WORK_XSPLICE: u32 = 1;
export const WORK_LIVEPATCH: u32 = 2;

const HOOKS: u32 = 256;
const tasklets = memory.data(1024);
const work = memory.data(1024);
const expired = memory.data(1024);
const alarm = memory.data(4);
const operations = memory.data(1024);
const keys = memory.data(1024);
const key_texts = memory.data(1024);


@inline
function slot(table: usize, id: u32): usize {
  assert(id < HOOKS);
  return table + ((<usize>id) << 2);
}

export function install_tasklet(id: u32, fn: (data: u32) => void): void {
  store<u32>(slot(tasklets, id), fn.index);
}
export function run_tasklet_hook(id: u32, data: u32): void {
  const index = load<u32>(slot(tasklets, id));
  if (index != 0) call_indirect<void>(index, data);
}

export function install_work(id: u32, fn: (data: u32) => i32, late: (data: u32) => void): void {
  store<u32>(slot(work, id), fn.index);
  store<u32>(slot(expired, id), late.index);
}
export function run_work_hook(id: u32, data: u32): i32 {
  const index = load<u32>(slot(work, id));
  return index != 0 ? call_indirect<i32>(index, data) : 0;
}
export function run_expired_hook(id: u32, data: u32): void {
  const index = load<u32>(slot(expired, id));
  if (index != 0) call_indirect<void>(index, data);
}

export function install_alarm(fn: () => void): void {
  store<u32>(alarm, fn.index);
}
export function run_alarm_hook(): void {
  const index = load<u32>(alarm);
  if (index != 0) call_indirect<void>(index);
}

export function install_operation(op: u32, fn: (cmd_off: usize, domain: i32) => i32): void {
  store<u32>(slot(operations, op), fn.index);
}
export function has_operation(op: u32): bool {
  return op < HOOKS && load<u32>(slot(operations, op)) != 0;
}
export function run_operation_hook(op: u32, cmd_off: usize, domain: i32): i32 {
  return call_indirect<i32>(load<u32>(slot(operations, op)), cmd_off, domain);
}

export function install_key(key: u32, fn: () => void, text: string): void {
  store<u32>(slot(keys, key), fn.index);
  store<u32>(slot(key_texts, key), <u32>changetype<usize>(text));
}
export function run_key_hook(key: u32): bool {
  const index = load<u32>(slot(keys, key));
  if (index == 0) return false;
  call_indirect<void>(index);
  return true;
}
/** The description of a key, null when it has none. */
export function key_text(key: u32): string | null {
  return changetype<string | null>(<usize>load<u32>(slot(key_texts, key)));
}

/** Functions of what is loaded: linear offset of {u64 va, u64 size} of the one at `va`, or 0. */
let functions: u32 = 0;
export function install_functions(fn: (va: u64) => usize): void {
  functions = fn.index;
}
export function run_function_hook(va: u64): usize {
  return functions != 0 ? call_indirect<usize>(functions, va) : 0;
}

/** What kind of code an address is, as far as patching is concerned: CLASS_* (hv/visible.ts). */
let code_class: u32 = 0;
export function install_code_class(fn: (va: u64) => u32): void {
  code_class = fn.index;
}
export function run_code_class_hook(va: u64): u32 {
  return code_class != 0 ? call_indirect<u32>(code_class, va) : 0;
}
