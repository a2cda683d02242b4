// Console lines of today's live patching, worded as Xen 4.17 words them.

import {
  print,
  print_byte,
  print_bytes,
  print_dec,
  print_hex,
  print_signed,
} from "../../hv/console";
import { LIVEPATCH_ACTION_APPLY, LIVEPATCH_ACTION_REVERT } from "../../abi_today";
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

/** `text` with a name in its middle. */
export function say_name(p: Payload, before: string, name_off: usize, after: string): void {
  begin(p);
  print(": ");
  print(before);
  print_bytes(name_off, 127);
  print(after);
  print_byte(10);
}

/** A post hook is called and told how it went. */
export function say_result(p: Payload, text: string, rc: i32): void {
  begin(p);
  print(": ");
  print(text);
  print(" hook function with rc=");
  print_signed(rc);
  print_byte(10);
}

function print_hex_bytes(off: usize, len: u32): void {
  for (let i: u32 = 0; i < len; i++) print_hex(load<u8>(off + i), 2);
}

/** An expectation that failed: what stood in the payload and what stands in memory. */
export function say_expectation(name_off: usize, expected: usize, actual: usize, len: u32): void {
  print("livepatch: ");
  print_bytes(name_off, 127);
  print(": expectation failed: expected:");
  print_hex_bytes(expected, len);
  print(", actual:");
  print_hex_bytes(actual, len);
  print_byte(10);
}

/** The function whose expectations were not met. */
export function say_aborting(p: Payload, name_off: usize, rc: i32): void {
  begin(p);
  print(": expectations of ");
  print_bytes(name_off, 127);
  print(" failed (rc=");
  print_signed(rc);
  print("), aborting!\n");
}
