// Keyhandlers: a character on the console makes the hypervisor print something (Xen's
// keyhandler.c). 'h' lists what there is; the RFC's 'x' is installed by xSplice (R137).

import { print, print_byte, print_hex } from "./console";
import { install_key, key_text, run_key_hook } from "./hooks";

/** Installs a handler; called while the module starts. */
export function register_key(key: u32, fn: () => void, description: string): void {
  install_key(key, fn, description);
}

/** False when the key has no handler. */
export function handle_key(key: u32): bool {
  if (key >= 256) return false;
  return run_key_hook(key);
}

function print_keys(): void {
  print("'h' pressed -> showing installed handlers\n");
  for (let key: u32 = 0; key < 256; key++) {
    const text = key_text(key);
    if (text == null) continue;
    print(" key '");
    print_byte(key);
    print("' (ascii '");
    print_hex(key, 2);
    print("') => ");
    print(text);
    print_byte(10);
  }
}

export function install_keyhandlers(): void {
  register_key(0x68, print_keys, "show this message");
}
