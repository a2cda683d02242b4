// hv/symbols: by name, by `file.c#name`, by address; sizes, room and nesting (RFC R202-R204; A14).

import { SYMBOL_MATCHES_MAX } from "../../../assembly/abi";
import { wipe_machine } from "../../../assembly/hv/boot";
import { header } from "../../../assembly/hv/header";
import {
  find_symbol,
  find_symbols,
  match_at,
  match_count,
  symbol,
  symbol_at,
} from "../../../assembly/hv/symbols";
import { name_length } from "../../../assembly/hv/text";
import { DATA_VA, ImageBuilder, known, TEXT_VA } from "../support/image_builder";

const LOCAL: u8 = 0x02;
const LOCAL_LABEL: u8 = 0x00;
const FAR: u64 = 0x1000;

function count(name: string): u32 {
  return find_symbols(changetype<usize>(String.UTF8.encode(name)), name.length);
}
/** Address of the only symbol that a name finds. */
function only(name: string): u64 {
  expect<u32>(count(name)).toBe(1, name);
  return symbol(match_at(0)).va;
}
function named(index: i32): string {
  if (index < 0) return "";
  const s = symbol(<u32>index);
  return String.UTF8.decodeUnsafe(<usize>s.name, name_length(<usize>s.name, 256));
}

/** Functions of two files with one basename, one of them compiled by its path. */
function image_with_files(): ImageBuilder {
  const b = new ImageBuilder();
  b.section(".text", TEXT_VA).zeros(0x2000);
  b.file("domain.c");
  b.func("reset", TEXT_VA + 0x100, 16, LOCAL);
  b.func("once", TEXT_VA + 0x140, 16, LOCAL);
  b.file("a/domain.c");
  b.func("reset", TEXT_VA + 0x200, 16, LOCAL);
  b.func("twice", TEXT_VA + 0x240, 16, LOCAL);
  b.file("b/domain.c");
  b.func("twice", TEXT_VA + 0x280, 16, LOCAL);
  b.func("global", TEXT_VA + 0x300, 16);
  return b;
}

function boot(b: ImageBuilder): void {
  wipe_machine();
  b.build();
  expect<i32>(b.boot()).toBe(0);
}

describe("names", () => {
  it("are found plain when there is one", () => {
    boot(image_with_files());
    expect<u64>(only("once")).toBe(TEXT_VA + 0x140);
    expect<u64>(only("global")).toBe(TEXT_VA + 0x300);
    expect<u32>(count("nowhere")).toBe(0);
    expect<u32>(count("")).toBe(0);
    expect<u32>(count("onc")).toBe(0);
    expect<u32>(count("once1")).toBe(0);
    expect<u32>(count("Once")).toBe(0, "case matters");
  });

  it("shared by two files are ambiguous, and all candidates are told (R202)", () => {
    boot(image_with_files());
    expect<u32>(count("reset")).toBe(2);
    expect<u64>(symbol(match_at(0)).va).toBe(TEXT_VA + 0x100);
    expect<u64>(symbol(match_at(1)).va).toBe(TEXT_VA + 0x200);
  });

  it("are told apart by their file", () => {
    boot(image_with_files());
    expect<u64>(only("a/domain.c#reset")).toBe(TEXT_VA + 0x200);
    expect<u64>(only("domain.c#reset")).toBe(TEXT_VA + 0x100, "the same file first");
    expect<u64>(only("domain.c#once")).toBe(TEXT_VA + 0x140);
    expect<u64>(only("b/domain.c#twice")).toBe(TEXT_VA + 0x280);
    expect<u32>(count("domain.c#twice")).toBe(2, "two paths end like that (R204)");
    expect<u32>(count("main.c#once")).toBe(0, "only whole components of a path");
    expect<u32>(count("domain.c#global")).toBe(0, "a global symbol is of no file");
    expect<u32>(count("#once")).toBe(0);
    expect<u32>(count("domain.c#")).toBe(0);
  });

  it("tells how many there are even when not all fit", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x1000);
    for (let i: u64 = 0; i < 40; i++) b.func("many", TEXT_VA + i * 16, 16, LOCAL);
    boot(b);
    expect<u32>(count("many")).toBe(40);
    expect<u32>(SYMBOL_MATCHES_MAX).toBe(16);
    const first = find_symbol(changetype<usize>(String.UTF8.encode("many")), 4);
    expect<i32>(first).toBe(<i32>match_at(0));
    expect<u32>(match_count()).toBe(40);
  });

  it("leave out what is no place in the image, but keep a label below it", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x100);
    b.func("code", TEXT_VA, 16);
    b.elf.symbol("undefined", 0, 0, 0x10, 0);
    b.elf.symbol("absolute", 0xfff1, 0x1234, 0x10, 0);
    b.elf.symbol("common", 0xfff2, 8, 0x11, 8);
    b.elf.symbol("", b.last(), TEXT_VA, 0x10, 0);
    b.elf.symbol("section", b.last(), TEXT_VA, 0x03, 0);
    b.func("outside", DATA_VA + FAR, 16);
    b.label("guest", 0x1000);
    b.label("base", TEXT_VA - FAR);
    b.label("end", TEXT_VA + 0x100);
    boot(b);
    expect<u32>(header().symbols_count).toBe(3);
    expect<u64>(only("base")).toBe(TEXT_VA - FAR);
    expect<i32>(symbol_at(TEXT_VA - 1)).toBe(-1, "nothing belongs to a label outside");
    expect<u64>(only("code")).toBe(TEXT_VA);
    expect<u64>(only("end")).toBe(TEXT_VA + 0x100);
  });
});

describe("addresses", () => {
  it("belong to the function that covers them, however many labels it has", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x1000);
    b.func("outer", TEXT_VA, 0x800);
    for (let i: u64 = 0; i < 100; i++) {
      b.elf.symbol("inside", b.last(), TEXT_VA + 0x10 + i * 4, LOCAL_LABEL, 0);
    }
    b.func("inner", TEXT_VA + 0x400, 0x10, LOCAL);
    b.func("next", TEXT_VA + 0x900, 0x10);
    boot(b);
    expect<string>(named(symbol_at(TEXT_VA))).toBe("outer");
    expect<string>(named(symbol_at(TEXT_VA + 0x3ff))).toBe("outer");
    expect<string>(named(symbol_at(TEXT_VA + 0x400))).toBe("inner");
    expect<string>(named(symbol_at(TEXT_VA + 0x410))).toBe("outer");
    expect<string>(named(symbol_at(TEXT_VA + 0x7ff))).toBe("outer");
    expect<string>(named(symbol_at(TEXT_VA + 0x800))).toBe("", "padding is of nobody");
    expect<string>(named(symbol_at(TEXT_VA + 0x900))).toBe("next");
    expect<string>(named(symbol_at(TEXT_VA - 1))).toBe("");
    expect<string>(named(symbol_at(u64.MAX_VALUE))).toBe("");
  });

  it("prefer a global name with a size among those of one address", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x100);
    b.label("label", TEXT_VA);
    b.func("wanted", TEXT_VA, 16);
    b.func("static_alias", TEXT_VA, 16, LOCAL);
    boot(b);
    expect<string>(named(symbol_at(TEXT_VA))).toBe("wanted");
    expect<string>(named(symbol_at(TEXT_VA + 15))).toBe("wanted");
  });

  it("belong to a label without a size up to the next symbol", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x100);
    b.label("entry", TEXT_VA + 0x10);
    b.func("after", TEXT_VA + 0x40, 16);
    boot(b);
    expect<string>(named(symbol_at(TEXT_VA + 0x3f))).toBe("entry");
    expect<string>(named(symbol_at(TEXT_VA + 0x0f))).toBe("");
  });
});

describe("room", () => {
  it("is the size and the padding up to the next symbol or the section's end", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x100);
    b.func("three", TEXT_VA, 3);
    b.func("tight", TEXT_VA + 16, 16);
    b.func("nested", TEXT_VA + 32, 32);
    b.label("label_inside", TEXT_VA + 40);
    b.label("bare", TEXT_VA + 0x60);
    b.func("last", TEXT_VA + 0xf0, 5);
    boot(b);
    expect<u32>(known("three").room).toBe(16);
    expect<u32>(known("tight").room).toBe(16);
    expect<u32>(known("nested").room).toBe(64, "a label inside does not cut it");
    expect<u32>(known("bare").room).toBe(0x90);
    expect<u32>(known("last").room).toBe(16, "the section ends there");
  });

  it("believes no size that leaves the image", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x100);
    b.func("huge", TEXT_VA, u64.MAX_VALUE);
    boot(b);
    expect<u64>(known("huge").size).toBe(0x100);
    expect<string>(named(symbol_at(TEXT_VA + 0xff))).toBe("huge");
    expect<string>(named(symbol_at(TEXT_VA + 0x100))).toBe("");
  });
});

describe("many symbols", () => {
  it("are all found, by name and by address", () => {
    const b = new ImageBuilder();
    b.section(".text", TEXT_VA).zeros(0x10000);
    for (let i: u64 = 0; i < 4000; i++) {
      b.func("f" + ((i * 7919) % 4000).toString(), TEXT_VA + ((i * 7919) % 4000) * 16, 12);
    }
    boot(b);
    expect<u32>(header().symbols_count).toBe(4000);
    for (let i: u64 = 0; i < 4000; i += 13) {
      expect<u64>(only("f" + i.toString())).toBe(TEXT_VA + i * 16);
      expect<u64>(symbol(<u32>symbol_at(TEXT_VA + i * 16 + 11)).va).toBe(TEXT_VA + i * 16);
      expect<i32>(symbol_at(TEXT_VA + i * 16 + 12)).toBe(-1);
    }
  });
});
