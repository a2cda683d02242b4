// hv/image_pages, hv/regions: permissions from names and from Xen's symbols, never both W and X.

import {
  EOPNOTSUPP,
  PERM_R,
  PERM_W,
  PERM_X,
  REGION_DATA,
  REGION_INIT,
  REGION_NONE,
  REGION_RODATA,
  REGION_TEXT,
} from "../../../assembly/abi";
import { wipe_machine } from "../../../assembly/hv/boot";
import { enter_domain } from "../../../assembly/hv/domain";
import { count_frames, OWNER_FREE, OWNER_IMAGE } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { NR_FRAMES } from "../../../assembly/hv/layout";
import { peek_off } from "../../../assembly/hv/mem";
import { walk } from "../../../assembly/hv/pages";
import { refusal } from "../../../assembly/hv/refusal";
import { region_of } from "../../../assembly/hv/regions";
import { REASON_ELF_UNSUPPORTED_WX } from "../../../assembly/reasons";
import {
  DATA_VA,
  ImageBuilder,
  INIT_VA,
  RODATA_VA,
  small_image,
  TEXT_VA,
} from "../support/image_builder";

function perms(va: u64): u32 {
  return (<u32>walk(<usize>header().hv_root, va)) & 7;
}

describe("permissions of the image", () => {
  beforeEach(() => {
    wipe_machine();
  });

  it("follow section names, whatever the flags say", () => {
    const b = small_image();
    b.build();
    expect<i32>(b.boot()).toBe(0);
    expect<u32>(perms(TEXT_VA)).toBe(PERM_R | PERM_X);
    expect<u32>(perms(RODATA_VA)).toBe(PERM_R);
    expect<u32>(perms(DATA_VA)).toBe(PERM_R | PERM_W);
    expect<u32>(perms(INIT_VA)).toBe(0, "init is dropped");
    expect<u32>(region_of(TEXT_VA)).toBe(REGION_TEXT);
    expect<u32>(region_of(RODATA_VA)).toBe(REGION_RODATA);
    expect<u32>(region_of(DATA_VA + 7)).toBe(REGION_DATA);
    expect<u32>(region_of(DATA_VA + 8)).toBe(REGION_NONE);
    expect<u32>(region_of(INIT_VA)).toBe(REGION_INIT);
    expect<u32>(region_of(TEXT_VA - 1)).toBe(REGION_NONE);
  });

  it("follow the flags where a name says nothing", () => {
    const b = new ImageBuilder();
    b.section("code", TEXT_VA, 4).u64(0xc3);
    b.section("constants", RODATA_VA, 0).u64(1);
    b.section("variables", DATA_VA, 1).u64(2);
    b.section("both", DATA_VA + 0x1000, 5).u64(3);
    b.build();
    expect<i32>(b.boot()).toBe(0);
    expect<u32>(perms(TEXT_VA)).toBe(PERM_R | PERM_X);
    expect<u32>(perms(RODATA_VA)).toBe(PERM_R);
    expect<u32>(perms(DATA_VA)).toBe(PERM_R | PERM_W);
    expect<u32>(perms(DATA_VA + 0x1000)).toBe(PERM_R | PERM_W, "W wins over X");
  });

  it("lets text and rodata share a page, but not text and data", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).u64(0xc3);
    b.section(".rodata", TEXT_VA + 0x800).u64(1);
    b.build();
    expect<i32>(b.boot()).toBe(0);
    expect<u32>(perms(TEXT_VA)).toBe(PERM_R | PERM_X);
    expect<u32>(region_of(TEXT_VA + 0x800)).toBe(REGION_RODATA);
    const wx = new ImageBuilder();
    wx.section(".text", TEXT_VA).u64(0xc3);
    wx.section(".data", TEXT_VA + 0x800).u64(1);
    wx.build();
    expect<i32>(wx.boot()).toBe(-EOPNOTSUPP);
    expect<u32>(refusal().reason).toBe(REASON_ELF_UNSUPPORTED_WX);
    expect<u64>(refusal().va).toBe(TEXT_VA);
    expect<u32>(count_frames(OWNER_FREE)).toBe(<u32>NR_FRAMES, "the machine is empty, not half");
  });

  it("zeroes the init part of a page that stays, and frees whole pages", () => {
    const b = new ImageBuilder();
    b.section(".init.data", DATA_VA).u64(0x5555555555555555);
    b.section(".data", DATA_VA + 0x800).u64(0x77);
    b.section(".init.rodata", DATA_VA + 0x1000).zeros(0x3000);
    b.build();
    expect<i32>(b.boot()).toBe(0);
    enter_domain(-1, false);
    expect<u64>(load<u64>(peek_off(DATA_VA))).toBe(0);
    expect<u64>(load<u64>(peek_off(DATA_VA + 0x800))).toBe(0x77);
    for (let page: u64 = 0; page < 3; page++) {
      expect<u32>(perms(DATA_VA + 0x1000 + (page << 12))).toBe(0);
    }
    expect<u32>(count_frames(OWNER_IMAGE)).toBeLessThan(8);
  });

  it("follow Xen's own symbols before anything else", () => {
    const b = new ImageBuilder();
    b.section("blob", TEXT_VA, 7).zeros(0x4000);
    b.label("_stext", TEXT_VA);
    b.label("__2M_text_end", TEXT_VA + 0x1000);
    b.label("__2M_rodata_start", TEXT_VA + 0x1000);
    b.label("__2M_rodata_end", TEXT_VA + 0x2000);
    b.label("__init_begin", TEXT_VA + 0x2000);
    b.label("__init_end", TEXT_VA + 0x3000);
    b.label("__2M_rwdata_start", TEXT_VA + 0x3000);
    b.label("__2M_rwdata_end", TEXT_VA + 0x4000);
    b.build();
    expect<i32>(b.boot()).toBe(0);
    expect<u32>(perms(TEXT_VA)).toBe(PERM_R | PERM_X);
    expect<u32>(perms(TEXT_VA + 0x1000)).toBe(PERM_R);
    expect<u32>(perms(TEXT_VA + 0x2000)).toBe(0);
    expect<u32>(perms(TEXT_VA + 0x3000)).toBe(PERM_R | PERM_W);
  });
});
