// What key 'x' tells of today's payloads (spec/livepatch-today 9): the hypervisor's build-id, then
// for each payload its state, where it lies, its functions, its own build-id and what it was built
// on.

import { LIVEPATCH_STATE_APPLIED } from "../../abi_today";
import {
  print,
  print_byte,
  print_bytes,
  print_dec,
  print_hex,
  print_signed,
} from "../../hv/console";
import { BUILD_ID_OFF, header } from "../../hv/header";
import { is_payload, Payload } from "../payload";
import { func_at } from "./funcs";
import { in_payload } from "./notes";
import { first_today, livepatch, next_today } from "./record";

function print_id(what: string, off: usize, len: u32): void {
  print(what);
  for (let i: usize = 0; off != 0 && i < <usize>len; i++) print_hex(load<u8>(off + i), 2);
  print_byte(0x0a);
}

function print_place(what: string, va: u64): void {
  print(what);
  print_hex(va, 16);
}

function print_payload(p: Payload): void {
  const lp = livepatch(p);
  print(" name=");
  print_bytes(lp.name_off, lp.name_len);
  print(lp.state == <u32>LIVEPATCH_STATE_APPLIED ? " state=APPLIED(" : " state=CHECKED(");
  print_dec(lp.state);
  print(") rc=");
  print_signed(lp.rc);
  print_place(" text=", p.text_va);
  print_place(" data=", p.rw_va);
  print_place(" rodata=", p.ro_va);
  print(" pages=");
  print_dec(p.mem_pages);
  print_byte(0x0a);
  for (let i: u32 = 0; i < lp.nfuncs; i++) {
    const f = func_at(p, i);
    print_place("   ", f.old_addr);
    print("(");
    print_dec(f.old_size);
    print_place(") -> ", f.new_addr);
    print("(");
    print_dec(f.new_size);
    print(")\n");
  }
  print_id("   build-id=", in_payload(p, p.build_id_va), p.build_id_len);
  print_id("   depends=", in_payload(p, p.depends_va), p.depends_len);
  print_id("   depends-on-xen=", in_payload(p, lp.xen_depends_va), lp.xen_depends_len);
}

/** Nothing while there is none: the key is the RFC's, too. */
export function print_today(): void {
  if (!is_payload(first_today())) return;
  print_id(" build-id=", BUILD_ID_OFF, header().build_id_len);
  for (let p = first_today(); is_payload(p); p = next_today(p)) print_payload(p);
}
