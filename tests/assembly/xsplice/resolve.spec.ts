// xsplice/resolve: what undefined names mean (R67, R202, R204; D2 sym-missing, sym-ambiguous).

import { EINVAL, ENOENT } from "../../../assembly/abi";
import { header } from "../../../assembly/hv/header";
import { refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_ELF_SYMBOL,
  REASON_INIT_TEXT,
  REASON_SYM_AMBIGUOUS,
  REASON_SYM_MISSING,
} from "../../../assembly/reasons";
import { payload_off } from "../../../assembly/xsplice/memory";
import { link_payload, Payload } from "../../../assembly/xsplice/payload";
import {
  claim,
  image_symbol,
  init_region,
  load_file,
  machine_hash,
  reset_machine,
} from "../support/bare_machine";
import { AW, PROGBITS, Sample } from "../support/sample_payload";

let b: Sample = new Sample();
let data: u32 = 0;
const PRINTK: u64 = 0xffff82d080140000;

/** A payload with one pointer to `name`; returns what the pointer became, or 0 and the refusal. */
function pointer_to(name: string, id: string = "try"): u64 {
  b = new Sample();
  data = b.add(".data.pointer", PROGBITS, AW);
  b.at(data).zeros(8);
  b.rela(data, 0, 1, b.symbol(name, 0, 0));
  b.build();
  const p = claim(id);
  if (load_file(b, p) != 0) return 0;
  link_payload(p);
  return load<u64>(payload_off(p, p.rw_va + 376, 8));
}

function refused(errno: i32, reason: u32): void {
  expect<i32>(refusal().errno).toBe(errno);
  expect<u32>(refusal().reason).toBe(reason);
  expect<u32>(refusal().place).toBe(PLACE_ELF_SYMBOL);
}

describe("resolve", () => {
  beforeEach(reset_machine);

  it("finds the image's symbols", () => {
    image_symbol("printk", PRINTK);
    expect<u64>(pointer_to("printk")).toBe(PRINTK);
  });

  it("takes the global one of several (as any linker)", () => {
    image_symbol("flush", PRINTK + 64, "a.c");
    image_symbol("flush", PRINTK);
    expect<u64>(pointer_to("flush")).toBe(PRINTK);
  });

  it("takes a local one that is alone", () => {
    image_symbol("flush", PRINTK + 64, "a.c");
    expect<u64>(pointer_to("flush")).toBe(PRINTK + 64);
  });

  it("takes several names of one address as one", () => {
    image_symbol("flush", PRINTK, "a.c");
    image_symbol("flush", PRINTK, "b.c");
    expect<u64>(pointer_to("flush")).toBe(PRINTK);
  });

  it("lists the candidates of an ambiguous name (R204)", () => {
    image_symbol("domain_dump", PRINTK, "domain.c");
    image_symbol("domain_dump", PRINTK + 128, "domain.c");
    const before = machine_hash(64);
    expect<u64>(pointer_to("domain_dump")).toBe(0);
    refused(EINVAL, REASON_SYM_AMBIGUOUS);
    expect<u32>(refusal().candidate_count).toBe(2);
    expect<u64>(load<u64>(refusal().candidate_off(0))).toBe(PRINTK);
    expect<u64>(load<u64>(refusal().candidate_off(1))).toBe(PRINTK + 128);
    expect<u64>(machine_hash(64)).toBe(before);
  });

  it("takes a name that is qualified by its file (R202)", () => {
    image_symbol("dump", PRINTK, "domain.c");
    image_symbol("dump", PRINTK + 128, "event.c");
    expect<u64>(pointer_to("event.c#dump")).toBe(PRINTK + 128);
  });

  it("refuses an unknown name (A14)", () => {
    expect<u64>(pointer_to("no_such_thing")).toBe(0);
    refused(ENOENT, REASON_SYM_MISSING);
    expect<u32>(load<u8>(refusal().name_off)).toBe(0x6e);
    expect<u32>(refusal().candidate_count).toBe(0);
  });

  it("says so if the payload was made for another build (A14)", () => {
    // The sample's id is 40 hexadecimal digits, the machine's build-id has four bytes.
    expect<u64>(pointer_to("no_such_thing")).toBe(0);
    expect<u64>(refusal().value).toBe(1);
    expect<u32>(load<u8>(refusal().other_off)).toBe(0x39);
    header().build_id_len = 0;
    refusal().value = 7;
    expect<u64>(pointer_to("no_such_thing", "again")).toBe(0);
    expect<u64>(refusal().value).toBe(0);
  });

  it("refuses a nameless reference", () => {
    expect<u64>(pointer_to("")).toBe(0);
    refused(ENOENT, REASON_SYM_MISSING);
  });

  it("refuses init code, which is gone after boot", () => {
    image_symbol("start_xen", PRINTK);
    init_region(PRINTK - 64, PRINTK + 64);
    expect<u64>(pointer_to("start_xen")).toBe(0);
    refused(EINVAL, REASON_INIT_TEXT);
    expect<u64>(refusal().va).toBe(PRINTK);
  });

  it("finds what loaded payloads export, after the image (R196; a57b4074ab, fec659aa2d)", () => {
    const one = new Sample();
    one.symbol("helper", one.text, 16, 0x12, 4);
    one.symbol("hidden", one.text, 20, 0x02, 4);
    one.build();
    const p = claim("one");
    expect<i32>(load_file(one, p)).toBe(0);
    link_payload(p);
    expect<u64>(pointer_to("helper", "two")).toBe(p.text_va + 16);
    expect<u64>(pointer_to("hidden", "three")).toBe(0);
    refused(ENOENT, REASON_SYM_MISSING);
    image_symbol("helper", PRINTK);
    expect<u64>(pointer_to("helper", "four")).toBe(PRINTK);
  });

  it("lists two payloads that export one name", () => {
    for (let i = 0; i < 2; i++) {
      const one = new Sample();
      one.symbol("helper", one.text, 16, 0x12, 4);
      one.build();
      const p = claim(i == 0 ? "one" : "two");
      expect<i32>(load_file(one, p)).toBe(0);
      link_payload(p);
    }
    expect<u64>(pointer_to("helper", "three")).toBe(0);
    refused(EINVAL, REASON_SYM_AMBIGUOUS);
    expect<u32>(refusal().candidate_count).toBe(2);
  });
});
