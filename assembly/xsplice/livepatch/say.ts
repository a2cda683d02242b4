// Console lines of today's live patching, worded as Xen 4.17 words them.

import { print, print_byte, print_bytes, print_dec, print_signed } from "../../hv/console";
import { LIVEPATCH_ACTION_APPLY, LIVEPATCH_ACTION_REVERT } from "../../abi";
import { Payload } from "../payload";
import { livepatch } from "./record";

function begin(p: Payload): void {
  print("livepatch: ");
  print_bytes(livepatch(p).name_off, livepatch(p).name_len);
}

export function say(p: Payload, text: string): void {
  begin(p);
  print(": ");
  print(text);
  print_byte(10);
}

/** `text` with a number in its middle. */
export function say_count(p: Payload, before: string, count: u32, after: string): void {
  begin(p);
  print(": ");
  print(before);
  print_dec(count);
  print(after);
  print_byte(10);
}

function action_name(cmd: u32): string {
  if (cmd == <u32>LIVEPATCH_ACTION_APPLY) return "APPLY";
  return cmd == <u32>LIVEPATCH_ACTION_REVERT ? "REVERT" : "REPLACE";
}

export function say_finished(p: Payload, cmd: u32, rc: i32): void {
  begin(p);
  print(" finished ");
  print(action_name(cmd));
  print(" with rc=");
  print_signed(rc);
  print_byte(10);
}

/** The strings of `.modinfo`, one line each. */
export function say_metadata(p: Payload): void {
  const lp = livepatch(p);
  if (lp.meta_len == 0) return;
  print("livepatch: module metadata:\n");
  const off = p.mem_off + <usize>(lp.meta_va - p.base_va);
  let at: u32 = 0;
  while (at < lp.meta_len) {
    print("livepatch:   ");
    while (at < lp.meta_len && load<u8>(off + at) != 0) print_bytes(off + at++, 1);
    print_byte(10);
    at++;
  }
}
